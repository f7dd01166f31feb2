CREATE SCHEMA crm;
CREATE SCHEMA survey;
CREATE SCHEMA marketing;

-- Names as PostgreSQL folds them, in both spellings: nothing to map.
CREATE TABLE tasks (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    companyid text,
    main_type text,
    action varchar(80),
    description text,
    start_time timestamptz,
    endtime timestamp,
    date_done date,
    activity_tags text[],
    checklist json,
    is_archived boolean,
    repeat_days numeric(6, 2),
    custom jsonb,
    custom__arr numeric(12, 2),
    workspace uuid,
    updated_at timestamptz NOT NULL,
    _sdc_deleted_at timestamptz
);
INSERT INTO tasks (
    companyid, main_type, action, description, start_time, endtime, date_done, activity_tags,
    checklist, is_archived, repeat_days, custom, custom__arr, workspace, updated_at
) VALUES
    ('6100000000000000000000a1', 'task', 'Call Åsa, "today"', E'<p>One</p>\nTwo',
     '2024-05-01 10:00:00.123456+02', '2024-05-01 12:30', '2024-05-02', '{a,"b c"}', '[{"text": "x", "done": false}]', true, 14,
     '{"Tier": "gold", "nested": {"a": [1, null]}}', 1200.50,
     'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '2024-05-03 00:00+00'),
    ('extid-71', NULL, 'Nothing but nulls', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
     NULL, NULL, '2024-05-04 00:00+00'),
    ('srcid-acc-71', 'event', 'Empty', '', '0099-12-31 23:00+00', NULL, NULL, '{}', '[]', false,
     0, '{}', 0, NULL, '2024-05-05 00:00+00');

-- The singular, behind a schema; a uuid for a key; the company by a number of its own.
CREATE TABLE crm.conversation (
    id uuid PRIMARY KEY,
    account integer,
    subject text,
    body text,
    happened timestamp,
    kind text,
    pinned boolean,
    users jsonb,
    tags_json text
);
INSERT INTO crm.conversation VALUES
    ('11111111-aaaa-4ef8-bb6d-6bb9bd380a11', 71, 'Kick-off', '<p>Hello</p>', '2024-01-02 03:04:05',
     'meeting', true, '[]', '["q1", "q2"]'),
    ('22222222-aaaa-4ef8-bb6d-6bb9bd380a11', 71, 'Review', NULL, NULL, 'note', NULL, NULL, NULL);

-- A key of two columns, none of the names Planhat's.
CREATE TABLE survey.answers (
    respondent text,
    asked_on date,
    answered timestamptz,
    rating numeric(3, 0),
    remark text,
    account text,
    PRIMARY KEY (respondent, asked_on)
);
INSERT INTO survey.answers VALUES
    ('ann@north.test', '2024-01-02', '2024-01-03 09:00-05', 9, 'Fine: 100%', 'acc-71'),
    ('ann@north.test', '2024-07-02', '2024-07-03 09:00-05', 3, NULL, 'acc-71'),
    ('bo@south.test', '2024-07-02', '2024-07-04 00:00+00', 0, '', 'acc-72');

-- A numeric key of any size, and an id of Planhat's for the company.
CREATE TABLE marketing.campaign_list (
    id numeric(30, 0) PRIMARY KEY,
    title text,
    goal text,
    company char(24),
    budget double precision
);
INSERT INTO marketing.campaign_list VALUES
    (9007199254740993, 'Spring', 'Renewals', '6100000000000000000000a1', 0.1),
    (9007199254740992, 'Autumn', NULL, '6100000000000000000000b2', 1e6),
    (12345678901234567891234, 'Huge', NULL, '6100000000000000000000a1', 0),
    (12345678901234567891235, 'Next to it', NULL, '6100000000000000000000a1', 0);
