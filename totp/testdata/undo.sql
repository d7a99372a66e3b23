-- The owner takes the reset of case {{n}} back at {{at}}.
INSERT INTO owner_link (hash, case_id, round, purpose, address_id, created_at, expires_at)
    VALUES (CAST(printf('undo%028d', {{n}}) AS BLOB), {{n}}, 1, 'undo', 1, {{at}}, {{at}} + 86400000000);
INSERT INTO audit (seq, at, actor, action, object, detail, prev, hash)
    SELECT s.n, {{at}}, 'owner', 'case.undone', 'RST-00000{{n}}', '{}',
        (SELECT hash FROM audit ORDER BY seq DESC LIMIT 1), CAST(printf('%032d', s.n) AS BLOB)
    FROM (SELECT max(seq) + 1 AS n FROM audit) s;
INSERT INTO undo (reset_id, at, link, ip, audit_seq)
    SELECT {{n}}, {{at}}, CAST(printf('undo%028d', {{n}}) AS BLOB), '192.0.2.1', max(seq) FROM audit;
