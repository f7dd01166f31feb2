{# The columns of a loaded table, whatever case the loader gave their names, under the names of the
   model; null for those that were not selected in the tap. #}
{% macro planhat_columns(relation, names) %}
  {%- set found = planhat_found(relation) -%}
  {%- for old, new in names.items() %}
    {{ found.get(old | lower, 'null') }} as {{ new }}{{ ',' if not loop.last }}
  {%- endfor %}
{%- endmacro %}

{# True for the rows of a stream whose record still exists in Planhat: the loader has not marked it
   as deleted, and the stream deletions, where it is loaded, does not name it. #}
{% macro planhat_is_live(relation, stream) -%}
  {%- set found = planhat_found(relation) -%}
  {%- set deleted_at = found.get('_sdc_deleted_at') -%}
  {{ deleted_at ~ ' is null' if deleted_at else 'true' }}
  {%- set deletions = load_relation(source('planhat', 'deletions')) -%}
  {%- if deletions %}
    {%- set gone = planhat_found(deletions) %}
    and not exists (
        select 1 from {{ deletions }} as deleted
        where deleted.{{ gone['stream'] }} = '{{ stream }}'
          and deleted.{{ gone['_id'] }} = loaded.{{ found['_id'] }}
    )
  {%- endif %}
{%- endmacro %}

{# Lower-case name -> quoted name, of the columns of a table. #}
{% macro planhat_found(relation) %}
  {%- set found = {} -%}
  {%- for column in adapter.get_columns_in_relation(relation) -%}
    {%- do found.update({column.name | lower: adapter.quote(column.name)}) -%}
  {%- endfor -%}
  {{ return(found) }}
{% endmacro %}
