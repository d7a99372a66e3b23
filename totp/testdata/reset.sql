-- A legal row of reset: case {{n}} of {{user}}, confirmed by the owner and
-- approved by a reviewer at {{at}}, for {{generation}}; held for an hour.
INSERT INTO reset_case (id, number, state, requester, opener_request, account_id, user_id, locale, opened_at, expires_at, watched_from, due_at)
    VALUES ({{n}}, 'RST-00000{{n}}', 'open', 'jane@acme.example', 1, 'A-1', '{{user}}', 'en', {{at}}, {{at}} + 86400000000, {{at}}, {{at}});
INSERT INTO panel_request (case_id, serial, asked_by, password_at, note, ip, agent, received_at)
    VALUES ({{n}}, 1, '{{user}}', 0, '', '192.0.2.3', 'test', {{at}});
INSERT INTO owner_link (hash, case_id, round, purpose, address_id, created_at, expires_at)
    VALUES (CAST(printf('confirm%025d', {{n}}) AS BLOB), {{n}}, 1, 'confirm', 1, {{at}}, {{at}} + 86400000000);
INSERT INTO answer (id, case_id, round, link, answer, user_id, at, ip)
    VALUES ({{n}}, {{n}}, 1, CAST(printf('confirm%025d', {{n}}) AS BLOB), 'yes', '{{user}}', {{at}}, '192.0.2.1');
INSERT INTO session (hash, reviewer_id, created_at, seen_at, expires_at, step_up_at, factor_at, ip, agent)
    VALUES (CAST(printf('session%025d', {{n}}) AS BLOB), 1, {{at}}, {{at}}, {{at}} + 3600000000, {{at}}, {{at}}, '192.0.2.2', 'test');
INSERT INTO audit (seq, at, actor, action, object, detail, prev, hash)
    SELECT s.n, {{at}}, 'reviewer:1', 'case.approved', 'RST-00000{{n}}', '{}',
        coalesce((SELECT hash FROM audit ORDER BY seq DESC LIMIT 1), zeroblob(32)), CAST(printf('%032d', s.n) AS BLOB)
    FROM (SELECT coalesce(max(seq), 0) + 1 AS n FROM audit) s;
INSERT INTO approval (id, case_id, round, user_id, generation, reviewer_id, session, step_up_at, evidence_hash, person, reason, decided_at, expires_at, audit_seq)
    SELECT {{n}}, {{n}}, 1, '{{user}}', {{generation}}, 1, CAST(printf('session%025d', {{n}}) AS BLOB), {{at}}, zeroblob(32), (SELECT email FROM reviewer WHERE id = 1),
        'called back', {{at}}, {{at}} + 86400000000, max(seq) FROM audit;
INSERT INTO audit (seq, at, actor, action, object, detail, prev, hash)
    SELECT s.n, {{at}}, 'desk', 'case.cleared', 'RST-00000{{n}}', '{}',
        (SELECT hash FROM audit ORDER BY seq DESC LIMIT 1), CAST(printf('%032d', s.n) AS BLOB)
    FROM (SELECT max(seq) + 1 AS n FROM audit) s;
INSERT INTO reset (id, case_id, approval_id, answer_id, user_id, generation, approvals_required, evidence_required, wait_until, cleared_at, hold_until, audit_seq)
    SELECT {{n}}, {{n}}, {{n}}, {{n}}, '{{user}}', {{generation}}, 1, 0, {{at}}, {{at}}, {{at}} + 3600000000, max(seq) FROM audit;
