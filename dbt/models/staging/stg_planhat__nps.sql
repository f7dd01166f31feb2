-- Made by `make docs` from the columns of the tap's streams.
{% set loaded = source('planhat', 'nps') %}
{% set names = {
    "_id": "nps_id",
    "cId": "company_id",
    "email": "email",
    "euId": "enduser_id",
    "campaignId": "campaign_id",
    "score": "score",
    "comment": "comment",
    "sourceId": "source_id",
    "dateSent": "date_sent",
    "dateAnswered": "date_answered",
    "source": "source",
    "custom": "custom",
    "scoreType": "score_type",
    "dateReminderSent": "date_reminder_sent",
    "__v": "revision",
    "other": "other",
    "_sdc_extracted_at": "extracted_at",
    "_sdc_batched_at": "loaded_at"
} %}
select {{ planhat_columns(loaded, names) }}
from {{ loaded }} as loaded
where {{ planhat_is_live(loaded, 'nps') }}
