-- Made by `make docs` from the columns of the tap's streams.
{% set loaded = source('planhat', 'campaigns') %}
{% set names = {
    "_id": "campaign_id",
    "name": "name",
    "campaignPurpose": "campaign_purpose",
    "companyId": "company_id",
    "companyName": "company_name",
    "externalId": "external_id",
    "sourceId": "source_id",
    "custom": "custom",
    "usage": "usage",
    "createdAt": "created_at",
    "updatedAt": "updated_at",
    "__v": "revision",
    "other": "other",
    "_sdc_extracted_at": "extracted_at",
    "_sdc_batched_at": "loaded_at"
} %}
select {{ planhat_columns(loaded, names) }}
from {{ loaded }} as loaded
where {{ planhat_is_live(loaded, 'campaigns') }}
