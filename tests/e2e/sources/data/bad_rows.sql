
INSERT INTO tasks (companyid, action, activity_tags, start_time, updated_at) VALUES
    (NULL, 'No company', NULL, NULL, now()),
    ('extid-99', 'Company to come', NULL, NULL, now()),
    ('6100000000000000000000a1', 'Null among tags', '{a,NULL}', NULL, now()),
    ('71', 'Bare number', NULL, NULL, now());
INSERT INTO crm.conversation VALUES
    ('33333333-aaaa-4ef8-bb6d-6bb9bd380a11', 71, 'Mail', NULL, NULL, 'email', NULL, NULL, NULL),
    ('44444444-aaaa-4ef8-bb6d-6bb9bd380a11', 71, 'Tags', NULL, NULL, 'note', NULL, NULL, 'a, b');
INSERT INTO survey.answers VALUES
    ('eve@north.test', '2024-01-02', '2024-01-02 00:00+00', 11, NULL, 'acc-71'),
    ('', '2024-01-02', '2024-01-02 00:00+00', 5, NULL, 'acc-71');
