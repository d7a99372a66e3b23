-- The end of case {{n}} after Clear and IssuePass: its letters, and the state
-- that the schema grants only to a whole reset.
INSERT INTO letter (case_id, reset_id, round, kind, address_id, recipient, message_id, subject, sealed, sha256, state, next_at, queued_at, changed_at)
    VALUES ({{n}}, {{n}}, 1, 'cleared', 1, 'jane@acme.example', '<c{{n}}@support.example>', 's', X'00', zeroblob(32), 'queued', {{at}}, {{at}}, {{at}}),
        ({{n}}, {{n}}, 1, 'pass', 1, 'jane@acme.example', '<p{{n}}@support.example>', 's', X'00', zeroblob(32), 'queued', {{at}}, {{at}}, {{at}});
UPDATE reset_case SET state = 'cleared', version = version + 1, closed_at = {{at}}, closed_by = 'desk' WHERE id = {{n}};
