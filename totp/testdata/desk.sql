-- What stands before any case: one account with its admin, one reviewer.
-- {{at}} is the time, {{user}} a registered holder.
INSERT INTO account (id, name, locale, created_at) VALUES ('A-1', 'Acme', 'en', {{at}});
INSERT INTO panel_user (id, account_id, login, role, created_at) VALUES ('{{user}}', 'A-1', 'jane', 'admin', {{at}});
INSERT INTO address (id, account_id, user_id, role, address, lookup, skeleton, source, since)
    VALUES (1, 'A-1', '{{user}}', 'admin', 'jane@acme.example', 'jane@acme.example', 'acme.example', 'import', {{at}});
INSERT INTO holder (id) VALUES ('staff:1');
INSERT INTO reviewer (id, holder_id, email, name, role, created_at)
    VALUES (1, 'staff:1', 'mia@support.example', 'Mia', 'reviewer', {{at}});
-- How a reviewer signs in is proved where reviewers are, and not here, where one
-- without a second factor of their own will do.
DROP TRIGGER session_new;
