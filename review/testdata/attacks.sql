-- Statements that must be refused, run on a database in the middle of life (see
-- live in life_test.go). A block is one attack: a line "-- promise: what it tries",
-- a line "--! " with a part of the error that must stop it, and the statements.
-- The macros vote, yes, reset and event write rows that are right in everything
-- but what their arguments change.

-- 4: clear the factor of a case without votes
--! cleared only by an approved reset
UPDATE credential SET state = 'cleared', ended_at = {{now}} WHERE user_id = 'U-2' AND state = 'active';

-- 4: clear the factor of a case that has the owner's yes but no vote
--! cleared only by an approved reset
UPDATE credential SET state = 'cleared', ended_at = {{now}} WHERE user_id = 'U-4' AND state = 'active';

-- 4: clear the factor of a case that has a vote but no yes
--! cleared only by an approved reset
UPDATE credential SET state = 'cleared', ended_at = {{now}} WHERE user_id = 'U-9' AND state = 'active';

-- 4: clear the factor that was enrolled after an earlier reset
--! cleared only by an approved reset
UPDATE credential SET state = 'cleared', ended_at = {{now}} WHERE user_id = 'U-7' AND state = 'active';

-- 4: clear every factor at once
--! cleared only by an approved reset
UPDATE credential SET state = 'cleared', ended_at = {{now}} WHERE state = 'active';

-- 4: clear the factor of a reviewer
--! cleared only by an approved reset
UPDATE credential SET state = 'cleared', ended_at = {{now}} WHERE user_id = 'staff:1' AND state = 'active';

-- 4: delete a factor
--! a credential is never deleted
DELETE FROM credential WHERE user_id = 'U-2';

-- 4: delete all factors
--! a credential is never deleted
DELETE FROM credential;

-- 4: overwrite a factor with a pending one
--! begins pending
INSERT OR REPLACE INTO credential (id, user_id, generation, state, sealed, fingerprint, algorithm, digits, period, created_at, expires_at)
    SELECT id, user_id, generation, 'pending', sealed, zeroblob(32), algorithm, digits, period, created_at, expires_at FROM credential WHERE user_id = 'U-2';

-- 4: overwrite a factor through its fingerprint
--! a credential is never deleted
INSERT OR REPLACE INTO credential (user_id, generation, state, sealed, fingerprint, algorithm, digits, period, created_at, expires_at)
    SELECT user_id, generation, 'pending', sealed, fingerprint, algorithm, digits, period, created_at, expires_at FROM credential WHERE user_id = 'U-2';

-- 4: turn a factor back to pending
--! cannot change in this way
UPDATE credential SET state = 'pending', activated_at = NULL WHERE user_id = 'U-2' AND state = 'active';

-- 4: let a factor expire
--! cannot change in this way
UPDATE credential SET state = 'expired', activated_at = NULL, ended_at = {{now}} WHERE user_id = 'U-2' AND state = 'active';

-- 4: revoke a factor that came from no reset
--! revoked only by its undo
UPDATE credential SET state = 'revoked', ended_at = {{now}} WHERE user_id = 'U-2' AND state = 'active';

-- 4: revoke the factor enrolled after a reset, without an undo
--! revoked only by its undo
UPDATE credential SET state = 'revoked', ended_at = {{now}} WHERE user_id = 'U-7' AND state = 'active';

-- 4: replace a factor by itself
--! replaced only by another active one
UPDATE credential SET state = 'replaced', ended_at = {{now}}, replaced_by = id WHERE user_id = 'U-2' AND state = 'active';

-- 4: replace a factor by somebody else's
--! replaced only by another active one
UPDATE credential SET state = 'replaced', ended_at = {{now}}, replaced_by = (SELECT id FROM credential WHERE user_id = 'U-1' AND state = 'active')
    WHERE user_id = 'U-2' AND state = 'active';

-- 4: give a factor to somebody else
--! keeps its identity
UPDATE credential SET user_id = 'U-1' WHERE user_id = 'U-2';

-- 4: take a time step back, so that a used code works again
--! never goes back
UPDATE credential SET last_step = 0 WHERE user_id = 'U-2';

-- 8: bring a cleared factor back without an undo
--! comes back only by an undo
UPDATE credential SET state = 'active', ended_at = NULL WHERE user_id = 'U-5' AND state = 'cleared';

-- 8: bring the cleared factor back beside the new one
--! comes back only by an undo
UPDATE credential SET state = 'active', ended_at = NULL WHERE user_id = 'U-7' AND state = 'cleared';

-- 4: let a pending enrollment that expired become a factor
--! cannot change in this way
INSERT INTO credential (user_id, generation, state, sealed, fingerprint, algorithm, digits, period, created_at, expires_at)
    VALUES ('U-2', 1, 'pending', zeroblob(60), zeroblob(32), 'SHA1', 6, 30, {{now}}, {{now}} + 1);
UPDATE credential SET state = 'expired', ended_at = {{now}} WHERE user_id = 'U-2' AND state = 'pending';
UPDATE credential SET state = 'active', activated_at = {{now}}, ended_at = NULL WHERE user_id = 'U-2' AND state = 'expired';

-- 4: make a pending enrollment live longer
--! keeps its identity
INSERT INTO credential (user_id, generation, state, sealed, fingerprint, algorithm, digits, period, created_at, expires_at)
    VALUES ('U-2', 1, 'pending', zeroblob(60), zeroblob(32), 'SHA1', 6, 30, {{now}}, {{now}} + 1);
UPDATE credential SET expires_at = expires_at + 1 WHERE user_id = 'U-2' AND state = 'pending';

-- 8: hide from an undo what it has to put back
--! keeps its identity
UPDATE credential SET ended_at = ended_at + 1 WHERE user_id = 'U-5' AND state = 'cleared';

-- 8: hide backup codes from an undo
--! cleared only by an approved reset
UPDATE backup_set SET ended_at = ended_at + 1 WHERE user_id = 'U-5' AND state = 'cleared';

-- 8: end the hold of a reset early
--! a hold ends by itself or by an undo
UPDATE holder SET hold_until = 0 WHERE id = 'U-5';

-- 8: move the moment by which an undo finds what was cleared
--! a hold ends by itself or by an undo
UPDATE holder SET sessions_from = sessions_from + 1 WHERE id = 'U-5';

-- 5: make panel sessions valid again that a reset made void
--! a hold ends by itself or by an undo
UPDATE holder SET sessions_from = 0 WHERE id = 'U-7';

-- 4: take the backup codes of a user away
--! cleared only by an approved reset
UPDATE backup_set SET state = 'cleared', ended_at = {{now}} WHERE user_id = 'U-2' AND state = 'active';

-- 4: delete a set of backup codes
--! never deleted
DELETE FROM backup_set WHERE user_id = 'U-2';

-- 4: delete backup codes
--! never deleted
DELETE FROM backup_code;

-- 4: make a used backup code unused
--! works once
UPDATE backup_code SET used_at = {{now}} WHERE set_id = (SELECT id FROM backup_set WHERE user_id = 'U-2');
UPDATE backup_code SET used_at = NULL WHERE set_id = (SELECT id FROM backup_set WHERE user_id = 'U-2');

-- 4: overwrite a used backup code with an unused one
--! ten unused backup codes
INSERT OR REPLACE INTO backup_code (set_id, hash) SELECT set_id, hash FROM backup_code WHERE set_id = (SELECT id FROM backup_set WHERE user_id = 'U-2');

-- 4: add an eleventh backup code
--! ten unused backup codes
INSERT INTO backup_code (set_id, hash) SELECT id, zeroblob(32) FROM backup_set WHERE user_id = 'U-2';

-- 4: exchange a backup code
--! works once
UPDATE backup_code SET hash = zeroblob(32), used_at = {{now}} WHERE set_id = (SELECT id FROM backup_set WHERE user_id = 'U-2') AND hash = (SELECT min(hash) FROM backup_code);
UPDATE backup_code SET hash = randomblob(32);

-- 4: give a user backup codes after a reset, before a new factor
--! beside an active factor
INSERT INTO backup_set (user_id, generation, salt, state, created_at) VALUES ('U-5', 2, zeroblob(16), 'active', {{now}});

-- 4: give a second live set of backup codes
--! UNIQUE
INSERT INTO backup_set (user_id, generation, salt, state, created_at) VALUES ('U-2', 1, zeroblob(16), 'active', {{now}});

-- 4: overwrite a set of backup codes
--! never deleted
INSERT OR REPLACE INTO backup_set (user_id, generation, salt, state, created_at) VALUES ('U-2', 1, zeroblob(16), 'active', {{now}});

-- 4: raise a generation without a reset
--! a generation rises by one
UPDATE holder SET generation = generation + 1 WHERE id = 'U-2';

-- 5: raise the generation of a reset a second time
--! a generation rises by one
UPDATE holder SET generation = generation + 1 WHERE id = 'U-5';

-- 5: lower a generation, so that a reset happens again
--! a generation rises by one
UPDATE holder SET generation = 1 WHERE id = 'U-7';

-- 4: rename a holder
--! a generation rises by one
UPDATE holder SET id = 'U-22' WHERE id = 'U-2';

-- 4: delete a holder
--! never deleted
DELETE FROM holder WHERE id = 'U-2';

-- 4: let a holder begin again
--! begins once
INSERT OR REPLACE INTO holder (id) VALUES ('U-2');

-- 4: let a holder begin again, politely
--! begins once
INSERT INTO holder (id) VALUES ('U-2') ON CONFLICT (id) DO UPDATE SET generation = 2;

-- 4: a reset without approval
--! recorded approvals
{{event "case.cleared" "open"}}
{{reset "open" "approval=NULL"}}

-- 4: a reset with an approval that does not exist
--! recorded approvals
{{event "case.cleared" "yes"}}
{{reset "yes" "approval=999"}}

-- 4: a reset with the owner's yes and no vote, on another case's vote
--! recorded approvals
{{event "case.cleared" "yes"}}
{{reset "yes" "approval=(SELECT max(id) FROM approval)"}}

-- 4: a reset without the owner's yes
--! recorded approvals
{{event "case.cleared" "voted"}}
{{reset "voted"}}

-- 4: a reset on the yes of another case
--! recorded approvals
{{event "case.cleared" "voted"}}
{{reset "voted" "answer=(SELECT id FROM answer WHERE case_id = " "yes" ")"}}

-- 4: a reset on the owner's no
--! recorded approvals
{{event "case.cleared" "no"}}
{{reset "no" "answer=(SELECT id FROM answer WHERE answer = 'no')"}}

-- 4: take a case up again after the owner's no, without a new round
--! begins a new round
UPDATE reset_case SET state = 'open', held_by = '', held_reason = '', version = version + 1 WHERE id = {{id "no"}};

-- 4: a yes through the same link after the no, and a reset in the same round
--! recorded approvals
{{yes "no"}}
{{event "case.cleared" "no"}}
{{reset "no"}}

-- 4: a reset with a vote and a yes of a round that is over
--! recorded approvals
{{yes "no"}}
UPDATE reset_case SET state = 'open', held_by = '', held_reason = '', round = round + 1, version = version + 1 WHERE id = {{id "no"}};
{{event "case.cleared" "no"}}
{{reset "no"}}

-- 4: a reset for another user
--! recorded approvals
{{vote "yes"}}
{{event "case.cleared" "yes"}}
{{reset "yes" "user='U-3'"}}

-- 4: a reset for another generation
--! recorded approvals
{{vote "yes"}}
{{event "case.cleared" "yes"}}
{{reset "yes" "generation=2"}}

-- 4: a reset that counts more votes than there are
--! recorded approvals
{{vote "yes"}}
{{event "case.cleared" "yes"}}
{{reset "yes" "required=2"}}

-- 4: a reset that needs no votes
--! recorded approvals
{{vote "yes"}}
{{event "case.cleared" "yes"}}
{{reset "yes" "required=0"}}

-- 4: a reset before its waiting period is over
--! CHECK
{{vote "yes"}}
{{event "case.cleared" "yes"}}
{{reset "yes" "wait=" "now" "+1"}}

-- 4: a reset after the user signed in with the factor
--! recorded approvals
{{vote "yes"}}
UPDATE holder SET verified_at = {{now}} + 1 WHERE id = 'U-4';
{{event "case.cleared" "yes"}}
{{reset "yes"}}

-- 4: hide that the user signed in
--! what a case watches for
UPDATE reset_case SET watched_from = {{now}} + 1 WHERE id = {{id "yes"}};

-- 9: a reset without its audit event
--! recorded approvals
{{vote "yes"}}
{{reset "yes"}}

-- 9: a reset on the event of another case
--! recorded approvals
{{vote "yes"}}
{{event "case.cleared" "voted"}}
{{reset "yes"}}

-- 5: a case cleared without a reset
--! only by a whole reset
{{event "case.cleared" "yes"}}
UPDATE reset_case SET state = 'cleared', closed_at = {{now}}, closed_by = 'desk', version = version + 1 WHERE id = {{id "yes"}};

-- 5: a case cleared with the factor still there
--! only by a whole reset
{{vote "yes"}}
{{event "case.cleared" "yes"}}
{{reset "yes"}}
UPDATE reset_case SET state = 'cleared', closed_at = {{now}}, closed_by = 'desk', version = version + 1 WHERE id = {{id "yes"}};

-- 5: a case cleared without letters and pass
--! only by a whole reset
{{vote "yes"}}
{{event "case.cleared" "yes"}}
{{reset "yes"}}
UPDATE holder SET generation = 2 WHERE id = 'U-4';
UPDATE credential SET state = 'cleared', ended_at = {{now}} WHERE user_id = 'U-4' AND state = 'active';
UPDATE backup_set SET state = 'cleared', ended_at = {{now}} WHERE user_id = 'U-4' AND state = 'active';
UPDATE reset_case SET state = 'cleared', closed_at = {{now}}, closed_by = 'desk', version = version + 1 WHERE id = {{id "yes"}};

-- 7: a case cleared without telling the registered address
--! only by a whole reset
{{vote "yes"}}
{{event "case.cleared" "yes"}}
{{reset "yes"}}
UPDATE holder SET generation = 2 WHERE id = 'U-4';
UPDATE credential SET state = 'cleared', ended_at = {{now}} WHERE user_id = 'U-4' AND state = 'active';
UPDATE backup_set SET state = 'cleared', ended_at = {{now}} WHERE user_id = 'U-4' AND state = 'active';
INSERT INTO enrollment_pass (user_id, generation, reset_id, hash, created_at, expires_at)
    SELECT user_id, 2, id, zeroblob(32), {{now}}, {{now}} + 1 FROM reset WHERE user_id = 'U-4';
{{letter "yes" "kind='pass'" "address=sanne@beta.example" "reset=(SELECT id FROM reset WHERE user_id = 'U-4')" "message='a@b'"}}
{{letter "yes" "kind='cleared'" "address=sanne@beta.example" "reset=(SELECT id FROM reset WHERE user_id = 'U-4')"}}
UPDATE reset_case SET state = 'cleared', closed_at = {{now}}, closed_by = 'desk', version = version + 1 WHERE id = {{id "yes"}};

-- 4: a reset on the vote of a reviewer who was shut out since
--! recorded approvals
{{vote "yes"}}
UPDATE reviewer SET disabled_at = {{now}} WHERE id = 2;
{{event "case.cleared" "yes"}}
{{reset "yes"}}

-- 4: a reset on the vote of a reviewer who may not vote any more
--! recorded approvals
{{vote "yes"}}
UPDATE reviewer SET role = 'auditor' WHERE id = 2;
{{event "case.cleared" "yes"}}
{{reset "yes"}}

-- 4: two resets of one case
--! recorded approvals
{{vote "yes"}}
{{event "case.cleared" "yes"}}
{{reset "yes"}}
UPDATE holder SET generation = 2 WHERE id = 'U-4';
{{event "case.cleared" "yes"}}
{{reset "yes"}}

-- 5: the same reset once more, for the factor that was enrolled since
--! recorded approvals
{{event "case.cleared" "enrolled"}}
{{reset "enrolled"}}

-- 9: delete a reset
--! a reset is never deleted
DELETE FROM reset;

-- 9: change a reset
--! a reset is never changed
UPDATE reset SET approvals_required = 1, hold_until = hold_until + 1;

-- 8: shorten a hold
--! a reset is never changed
UPDATE reset SET hold_until = cleared_at WHERE user_id = 'U-5';

-- 9: overwrite a reset
--! recorded approvals
INSERT OR REPLACE INTO reset SELECT * FROM reset;

-- 9: write a reset twice, politely
--! recorded approvals
INSERT INTO reset SELECT * FROM reset WHERE true ON CONFLICT (id) DO UPDATE SET approvals_required = 9;

-- 4: a vote without a session
--! entitled reviewer who stepped up
{{vote "yes" "session=zeroblob(32)"}}

-- 4: a vote in the session of another reviewer
--! entitled reviewer who stepped up
{{vote "yes" "session=(SELECT hash FROM session WHERE reviewer_id = 1 AND ended_at IS NULL)" "reviewer=2"}}

-- 4: a vote in a session that ended
--! entitled reviewer who stepped up
{{stepup 2}}
UPDATE session SET ended_at = {{now}} WHERE reviewer_id = 2;
{{vote "yes" "reviewer=2" "stepped"}}

-- 4: a vote in a session that is over
--! entitled reviewer who stepped up
{{vote "yes" "at=" "now" "+ 50000 * 3600000000" "step=" "now" "+ 50000 * 3600000000"}}

-- 4: a vote without a step-up
--! entitled reviewer who stepped up
{{vote "yes" "reviewer=2" "stepped"}}

-- 4: a vote five minutes after the step-up
--! CHECK
{{vote "yes" "at=" "now" "+ 300000001"}}

-- 4: a vote before its step-up
--! CHECK
{{vote "yes" "at=" "now" "- 1"}}

-- 4: a vote of a viewer
--! entitled reviewer who stepped up
{{vote "yes" "reviewer=3"}}

-- 4: a vote of a disabled reviewer
--! entitled reviewer who stepped up
UPDATE reviewer SET disabled_at = {{now}} WHERE id = 2;
{{vote "yes" "reviewer=2"}}

-- 4: a vote of the user himself, who is a reviewer too
--! entitled reviewer who stepped up
{{vote "yes" "reviewer=4"}}

-- 4: a vote for another user than the case's
--! its user and generation
{{vote "yes" "user='U-2'"}}

-- 4: a vote for another generation
--! its user and generation
{{vote "yes" "generation=2"}}

-- 4: a vote for another round
--! its user and generation
{{vote "yes" "round=2"}}

-- 4: a vote on a case that is on hold
--! its user and generation
{{vote "no" "reviewer=2"}}

-- 4: a vote on a case that was rejected
--! its user and generation
{{vote "rejected"}}

-- 4: a vote on a case that was cleared
--! its user and generation
{{vote "cleared" "reviewer=2"}}

-- 4: a vote on a case whose user is not known
--! its user and generation
{{vote "question"}}

-- 4: two votes of one reviewer
--! one vote that counts
{{vote "voted" "reviewer=1"}}

-- 4: overwrite one's own vote
--! one vote that counts
{{vote "voted" "reviewer=1" "or=OR REPLACE"}}

-- 4: a vote without a reason
--! CHECK
{{vote "yes" "reason='  '"}}

-- 4: a vote without the evidence that was seen
--! CHECK
{{vote "yes" "evidence=X''"}}

-- 9: a vote without its audit event
--! entitled reviewer who stepped up
{{vote "yes" "event=case.seen"}}

-- 9: a vote on somebody else's event
--! entitled reviewer who stepped up
{{vote "yes" "actor=reviewer:1"}}

-- 9: delete a vote
--! an approval is never deleted
DELETE FROM approval;

-- 9: change a vote
--! an approval is never changed
UPDATE approval SET evidence_hash = zeroblob(32);

-- 4: carry a vote over to another case
--! an approval is never changed
UPDATE approval SET case_id = {{id "yes"}}, user_id = 'U-4' WHERE case_id = {{id "voted"}};

-- 4: a yes without a link
--! live link of the open case
{{yes "open" "link=zeroblob(32)"}}

-- 4: a yes through the link of another case
--! live link of the open case
{{yes "open" "link=(SELECT hash FROM owner_link WHERE purpose = 'confirm' AND case_id = " "yes" ")"}}

-- 4: a yes through a link that only objects
--! live link of the open case
{{yes "open" "link=(SELECT hash FROM owner_link WHERE purpose = 'object' AND case_id = " "open" ")"}}

-- 4: a yes through a link that expired
--! live link of the open case
{{yes "open" "at=" "now" "+ 90000000000"}}

-- 4: a yes for nobody
--! CHECK
{{yes "open" "user=NULL"}}

-- 4: a yes for another user
--! live link of the open case
{{yes "open" "user='U-1'"}}

-- 4: a yes to a rejected case
--! live link of the open case
{{yes "rejected"}}

-- 9: delete the owner's no
--! an answer is never deleted
DELETE FROM answer WHERE answer = 'no';

-- 4: turn the owner's no into a yes
--! an answer is never changed
UPDATE answer SET answer = 'yes', user_id = 'U-3' WHERE answer = 'no';

-- 4: overwrite the owner's no
--! live link of the open case
INSERT OR REPLACE INTO answer (id, case_id, round, link, answer, user_id, at, ip)
    SELECT id, case_id, round, link, 'yes', 'U-3', at, ip FROM answer WHERE answer = 'no';

-- 4: a confirm link for an address that is no registered one
--! registered address of the account
INSERT INTO owner_link SELECT zeroblob(32), {{id "open"}}, 1, 'confirm', id, {{now}}, {{now}} + 1 FROM address WHERE address = 'it@acme.example';

-- 4: a confirm link for the user's own address
--! registered address of the account
INSERT INTO owner_link SELECT zeroblob(32), {{id "open"}}, 1, 'confirm', id, {{now}}, {{now}} + 1 FROM address WHERE address = 'jane@acme.example';

-- 4: a confirm link for an admin of another account
--! registered address of the account
INSERT INTO owner_link SELECT zeroblob(32), {{id "open"}}, 1, 'confirm', id, {{now}}, {{now}} + 1 FROM address WHERE address = 'piet@beta.example';

-- 4: a confirm link for a registered address that was replaced
--! registered address of the account
UPDATE address SET until = {{now}} WHERE address = 'anna@acme.example';
INSERT INTO owner_link SELECT zeroblob(32), {{id "open"}}, 1, 'confirm', id, {{now}}, {{now}} + 1 FROM address WHERE address = 'anna@acme.example';

-- 4: make a link live longer
--! a link is never changed
UPDATE owner_link SET expires_at = expires_at + 1;

-- 4: turn an objecting link into a confirming one
--! a link is never changed
UPDATE owner_link SET purpose = 'confirm' WHERE purpose = 'object';

-- 7: delete a link, so that nobody can object
--! a link is never deleted
DELETE FROM owner_link WHERE purpose = 'object';

-- 4: overwrite a link
--! registered address of the account
INSERT OR REPLACE INTO owner_link SELECT hash, case_id, round, 'confirm', address_id, created_at, expires_at FROM owner_link WHERE purpose = 'object';

-- 8: an undo without its link
--! within the hold
{{event "case.undone" "cleared"}}
INSERT INTO undo SELECT id, {{now}}, (SELECT hash FROM owner_link WHERE purpose = 'confirm' LIMIT 1), 'x', {{seq}} FROM reset WHERE user_id = 'U-5';

-- 8: an undo through the link of another case
--! within the hold
{{event "case.undone" "cleared"}}
INSERT INTO undo SELECT id, {{now}}, (SELECT hash FROM owner_link WHERE purpose = 'undo' AND case_id = {{id "enrolled"}} LIMIT 1), 'x', {{seq}} FROM reset WHERE user_id = 'U-5';

-- 8: an undo after the hold
--! within the hold
{{event "case.undone" "cleared"}}
INSERT INTO undo SELECT id, hold_until + 1, (SELECT hash FROM owner_link WHERE purpose = 'undo' AND case_id = {{id "cleared"}} LIMIT 1), 'x', {{seq}} FROM reset WHERE user_id = 'U-5';

-- 9: an undo on another event
--! within the hold
{{event "case.seen" "cleared"}}
INSERT INTO undo SELECT id, {{now}}, (SELECT hash FROM owner_link WHERE purpose = 'undo' AND case_id = {{id "cleared"}} LIMIT 1), 'x', {{seq}} FROM reset WHERE user_id = 'U-5';

-- 8: a second undo
--! within the hold
{{event "case.undone" "undone"}}
INSERT OR REPLACE INTO undo SELECT reset_id, at, link, ip, {{seq}} FROM undo;

-- 9: delete an undo
--! an undo is never deleted
DELETE FROM undo;

-- 9: change an undo
--! an undo is never changed
UPDATE undo SET at = at + 1;

-- 4: a case undone without an undo
--! undone only by an undo
{{event "case.undone" "cleared"}}
UPDATE reset_case SET state = 'undone', version = version + 1 WHERE id = {{id "cleared"}};

-- 6: enroll after a reset without a pass
--! needs the enrollment pass
INSERT INTO credential (user_id, generation, state, sealed, fingerprint, algorithm, digits, period, created_at, expires_at)
    VALUES ('U-5', 2, 'pending', zeroblob(60), zeroblob(32), 'SHA1', 6, 30, {{now}}, {{now}} + 1);
UPDATE credential SET state = 'active', activated_at = {{now}} WHERE user_id = 'U-5' AND state = 'pending';

-- 6: enroll after a reset with a pass that was not used
--! needs the enrollment pass
INSERT INTO credential (user_id, generation, state, sealed, fingerprint, algorithm, digits, period, created_at, expires_at, pass_id)
    SELECT 'U-5', 2, 'pending', zeroblob(60), zeroblob(32), 'SHA1', 6, 30, {{now}}, {{now}} + 1, id FROM enrollment_pass WHERE user_id = 'U-5';
UPDATE credential SET state = 'active', activated_at = {{now}} WHERE user_id = 'U-5' AND state = 'pending';

-- 6: enroll after a reset with somebody else's used pass
--! needs the enrollment pass
INSERT INTO credential (user_id, generation, state, sealed, fingerprint, algorithm, digits, period, created_at, expires_at, pass_id)
    SELECT 'U-5', 2, 'pending', zeroblob(60), zeroblob(32), 'SHA1', 6, 30, {{now}}, {{now}} + 1, id FROM enrollment_pass WHERE user_id = 'U-7';
UPDATE credential SET state = 'active', activated_at = {{now}} WHERE user_id = 'U-5' AND state = 'pending';

-- 6: turn a factor off by hand
--! a credential retires by
UPDATE credential SET state = 'retired', ended_at = {{now}} WHERE user_id = 'U-2' AND state = 'active';

-- 6: end one of two authenticators in favour of the other
--! a credential is replaced only by
INSERT INTO credential (user_id, generation, state, sealed, fingerprint, algorithm, digits, period, created_at, expires_at, adds)
    VALUES ('U-1', 1, 'pending', zeroblob(60), zeroblob(32), 'SHA1', 6, 30, {{now}}, {{now}} + 1, 1);
UPDATE credential SET state = 'active', activated_at = {{now}} WHERE user_id = 'U-1' AND state = 'pending';
UPDATE credential SET state = 'replaced', ended_at = {{now}}, replaced_by = (SELECT max(id) FROM credential WHERE user_id = 'U-1')
    WHERE user_id = 'U-1' AND state = 'active' AND adds = 0;

-- 6: end the younger of two authenticators as of the day on which the older one came
--! a credential is replaced only by
INSERT INTO credential (user_id, generation, state, sealed, fingerprint, algorithm, digits, period, created_at, expires_at, adds)
    VALUES ('U-1', 1, 'pending', zeroblob(60), zeroblob(32), 'SHA1', 6, 30, {{now}}, {{now}} + 1, 1);
UPDATE credential SET state = 'active', activated_at = {{now}} WHERE user_id = 'U-1' AND state = 'pending';
UPDATE credential SET state = 'replaced', replaced_by = (SELECT id FROM credential WHERE user_id = 'U-1' AND adds = 0 AND state = 'active'),
    ended_at = (SELECT activated_at FROM credential WHERE user_id = 'U-1' AND adds = 0 AND state = 'active')
    WHERE user_id = 'U-1' AND state = 'active' AND adds = 1;

-- 6: end backup codes without new ones
--! backup codes are cleared only by
UPDATE backup_set SET state = 'replaced', ended_at = {{now}} WHERE user_id = 'U-2' AND state = 'active';

-- 6: turn a factor off without a code
--! given up by a code accepted at that time
INSERT INTO factor_event (user_id, generation, at, kind) VALUES ('U-2', 1, {{now}}, 'turned_off');

-- 6: remove a device without a code
--! given up by a code accepted at that time
INSERT INTO factor_event (user_id, generation, at, kind) VALUES ('U-2', 1, {{now}}, 'device_removed');

-- 6: turn a factor off in the hold after a reset
--! given up by a code accepted at that time
UPDATE holder SET verified_at = {{now}} WHERE id = 'U-7';
INSERT INTO factor_event (user_id, generation, at, kind) VALUES ('U-7', 2, {{now}}, 'turned_off');

-- 6: turn the factor of a frozen user off
--! given up by a code accepted at that time
UPDATE holder SET verified_at = {{now}} WHERE id = 'U-8';
INSERT INTO factor_event (user_id, generation, at, kind) VALUES ('U-8', 2, {{now}}, 'turned_off');

-- 6: turn the factor of a reviewer off
--! given up by a code accepted at that time
UPDATE holder SET verified_at = {{now}} WHERE id = 'staff:1';
INSERT INTO factor_event (user_id, generation, at, kind) VALUES ('staff:1', 1, {{now}}, 'turned_off');

-- 6: say after a reset that it was turned off, so that no pass is needed
--! given up by a code accepted at that time
UPDATE holder SET verified_at = {{now}} + 864000000000 WHERE id = 'U-5';
INSERT INTO factor_event (user_id, generation, at, kind) VALUES ('U-5', 2, {{now}} + 864000000000, 'turned_off');

-- 6: make a factor that a reset cleared one that its user turned off
--! cannot change in this way
UPDATE credential SET state = 'retired' WHERE user_id = 'U-5' AND state = 'cleared';

-- 6: turn a factor off at another time than its code
--! a credential retires by
UPDATE holder SET verified_at = {{now}} WHERE id = 'U-2';
INSERT INTO factor_event (user_id, generation, at, kind) VALUES ('U-2', 1, {{now}}, 'turned_off');
UPDATE credential SET state = 'retired', ended_at = {{now}} + 1 WHERE user_id = 'U-2' AND state = 'active';

-- 6: turn a factor off by an old event, with a later code
--! a credential retires by
UPDATE holder SET verified_at = {{now}} WHERE id = 'U-2';
INSERT INTO factor_event (user_id, generation, at, kind) VALUES ('U-2', 1, {{now}}, 'turned_off');
UPDATE holder SET verified_at = {{now}} + 1 WHERE id = 'U-2';
UPDATE credential SET state = 'retired', ended_at = {{now}} WHERE user_id = 'U-2' AND state = 'active';

-- 6: turn a factor off by the event of another user
--! a credential retires by
UPDATE holder SET verified_at = {{now}} WHERE id IN ('U-1', 'U-2');
INSERT INTO factor_event (user_id, generation, at, kind) VALUES ('U-1', 1, {{now}}, 'turned_off');
UPDATE credential SET state = 'retired', ended_at = {{now}} WHERE user_id = 'U-2' AND state = 'active';

-- 6: turn a factor off by the event of a renewal
--! a credential retires by
UPDATE holder SET verified_at = {{now}} WHERE id = 'U-2';
INSERT INTO factor_event (user_id, generation, at, kind) VALUES ('U-2', 1, {{now}}, 'codes_renewed');
UPDATE credential SET state = 'retired', ended_at = {{now}} WHERE user_id = 'U-2' AND state = 'active';

-- 6: remove the last device
--! a credential retires by
UPDATE holder SET verified_at = {{now}} WHERE id = 'U-2';
INSERT INTO factor_event (user_id, generation, at, kind) VALUES ('U-2', 1, {{now}}, 'device_removed');
UPDATE credential SET state = 'retired', ended_at = {{now}} WHERE user_id = 'U-2' AND state = 'active';

-- 6: turn off in the hold by an event of before the reset
--! a credential retires by
UPDATE holder SET verified_at = {{now}} WHERE id = 'U-4';
INSERT INTO factor_event (user_id, generation, at, kind) VALUES ('U-4', 1, {{now}}, 'turned_off');
UPDATE holder SET verified_at = 0 WHERE id = 'U-4';
{{vote "yes"}}
{{event "case.cleared" "yes"}}
{{reset "yes"}}
UPDATE holder SET generation = 2, verified_at = {{now}} WHERE id = 'U-4';
UPDATE credential SET state = 'retired', ended_at = {{now}} WHERE user_id = 'U-4' AND state = 'active';

-- 6: enroll after a reset by a factor that was turned off before it
--! needs the enrollment pass
UPDATE holder SET verified_at = {{now}} WHERE id = 'U-4';
INSERT INTO factor_event (user_id, generation, at, kind) VALUES ('U-4', 1, {{now}}, 'turned_off');
UPDATE backup_set SET state = 'retired', ended_at = {{now}} WHERE user_id = 'U-4' AND state = 'active';
UPDATE credential SET state = 'retired', ended_at = {{now}} WHERE user_id = 'U-4' AND state = 'active';
INSERT INTO credential (user_id, generation, state, sealed, fingerprint, algorithm, digits, period, created_at, expires_at)
    VALUES ('U-4', 1, 'pending', zeroblob(60), zeroblob(32), 'SHA1', 6, 30, {{now}}, {{now}} + 1);
UPDATE credential SET state = 'active', activated_at = {{now}} WHERE user_id = 'U-4' AND state = 'pending';
UPDATE holder SET verified_at = 0 WHERE id = 'U-4';
{{vote "yes"}}
{{event "case.cleared" "yes"}}
{{reset "yes"}}
UPDATE holder SET generation = 2 WHERE id = 'U-4';
UPDATE credential SET state = 'cleared', ended_at = {{now}} WHERE user_id = 'U-4' AND state = 'active';
INSERT INTO credential (user_id, generation, state, sealed, fingerprint, algorithm, digits, period, created_at, expires_at)
    VALUES ('U-4', 2, 'pending', zeroblob(60), zeroblob(33), 'SHA1', 6, 30, {{now}}, {{now}} + 1);
UPDATE credential SET state = 'active', activated_at = {{now}} WHERE user_id = 'U-4' AND state = 'pending';

-- 6: retire backup codes while the factor stays
--! backup codes are cleared only by
UPDATE holder SET verified_at = {{now}} WHERE id = 'U-2';
INSERT INTO factor_event (user_id, generation, at, kind) VALUES ('U-2', 1, {{now}}, 'device_removed');
UPDATE backup_set SET state = 'retired', ended_at = {{now}} WHERE user_id = 'U-2' AND state = 'active';

-- 4: a third authenticator
--! two active credentials at most
INSERT INTO credential (user_id, generation, state, sealed, fingerprint, algorithm, digits, period, created_at, expires_at, adds)
    VALUES ('U-1', 1, 'pending', zeroblob(60), zeroblob(32), 'SHA1', 6, 30, {{now}}, {{now}} + 1, 1);
UPDATE credential SET state = 'active', activated_at = {{now}} WHERE user_id = 'U-1' AND state = 'pending';
INSERT INTO credential (user_id, generation, state, sealed, fingerprint, algorithm, digits, period, created_at, expires_at, adds)
    VALUES ('U-1', 1, 'pending', zeroblob(60), zeroblob(33), 'SHA1', 6, 30, {{now}}, {{now}} + 1, 1);
UPDATE credential SET state = 'active', activated_at = {{now}} WHERE user_id = 'U-1' AND state = 'pending';

-- 4: give a pending enrollment its guesses back
--! a credential keeps its identity
INSERT INTO credential (user_id, generation, state, sealed, fingerprint, algorithm, digits, period, created_at, expires_at, misses)
    VALUES ('U-1', 1, 'pending', zeroblob(60), zeroblob(32), 'SHA1', 6, 30, {{now}}, {{now}} + 1, 20);
UPDATE credential SET misses = 0 WHERE user_id = 'U-1' AND state = 'pending';

-- 4: let an enrollment that replaces add
--! a credential keeps its identity
INSERT INTO credential (user_id, generation, state, sealed, fingerprint, algorithm, digits, period, created_at, expires_at)
    VALUES ('U-1', 1, 'pending', zeroblob(60), zeroblob(32), 'SHA1', 6, 30, {{now}}, {{now}} + 1);
UPDATE credential SET adds = 1 WHERE user_id = 'U-1' AND state = 'pending';

-- 9: an event of a factor that nobody will be told
--! begins untold
INSERT INTO factor_event (user_id, generation, at, kind, settled_at) VALUES ('U-2', 1, {{now}}, 'alarm', {{now}});

-- 9: an event of a factor in an old generation
--! begins untold
INSERT INTO factor_event (user_id, generation, at, kind) VALUES ('U-7', 1, {{now}}, 'alarm');

-- 9: overwrite an event of a factor
--! begins untold
INSERT OR REPLACE INTO factor_event (id, user_id, generation, at, kind) SELECT max(id), 'U-2', 1, {{now}}, 'exempt' FROM factor_event;

-- 9: change what happened to a factor
--! settled once and never changed
UPDATE factor_event SET kind = 'exempt' WHERE user_id = 'U-2';

-- 9: change where it came from
--! settled once and never changed
UPDATE factor_event SET ip = '192.0.2.1', settled_at = {{now}} WHERE user_id = 'U-2';

-- 9: have an event told twice
--! settled once and never changed
UPDATE factor_event SET settled_at = {{now}} WHERE user_id = 'U-2';
UPDATE factor_event SET settled_at = NULL WHERE user_id = 'U-2';

-- 9: delete an event of a factor
--! an event of a factor is never deleted
DELETE FROM factor_event;

-- 6: enroll after a reset in the old generation
--! in the current generation
INSERT INTO credential (user_id, generation, state, sealed, fingerprint, algorithm, digits, period, created_at, expires_at)
    VALUES ('U-5', 1, 'pending', zeroblob(60), zeroblob(32), 'SHA1', 6, 30, {{now}}, {{now}} + 1);

-- 6: write an active factor at once
--! begins pending
INSERT INTO credential (user_id, generation, state, sealed, fingerprint, algorithm, digits, period, created_at, expires_at, activated_at)
    VALUES ('U-5', 2, 'active', zeroblob(60), zeroblob(32), 'SHA1', 6, 30, {{now}}, {{now}} + 1, {{now}});

-- 6: a pass without a reset
--! comes from an approved reset
INSERT INTO enrollment_pass (user_id, generation, reset_id, hash, created_at, expires_at)
    SELECT 'U-2', 1, id, zeroblob(32), {{now}}, {{now}} + 1 FROM reset WHERE user_id = 'U-5';

-- 6: a pass for another user than the one of the reset
--! comes from an approved reset
INSERT INTO enrollment_pass (user_id, generation, reset_id, hash, created_at, expires_at)
    SELECT 'U-6', 2, id, zeroblob(32), {{now}}, {{now}} + 1 FROM reset WHERE user_id = 'U-5';

-- 6: a pass from a reset that was undone
--! comes from an approved reset
INSERT INTO enrollment_pass (user_id, generation, reset_id, hash, created_at, expires_at)
    SELECT user_id, 2, id, zeroblob(32), {{now}}, {{now}} + 1 FROM reset WHERE user_id = 'U-8';

-- 6: a pass that lives longer than two days
--! CHECK
INSERT INTO enrollment_pass (user_id, generation, reset_id, hash, created_at, expires_at)
    SELECT user_id, 2, id, zeroblob(32), {{now}}, {{now}} + 172800000001 FROM reset WHERE user_id = 'U-5';

-- 6: a second live pass
--! UNIQUE
INSERT INTO enrollment_pass (user_id, generation, reset_id, hash, created_at, expires_at)
    SELECT user_id, 2, id, zeroblob(32), {{now}}, {{now}} + 1 FROM reset WHERE user_id = 'U-5';

-- 6: extend a pass
--! before it expires
UPDATE enrollment_pass SET expires_at = expires_at + 1 WHERE user_id = 'U-5';

-- 6: extend a pass by moving its beginning as well
--! before it expires
UPDATE enrollment_pass SET created_at = created_at + 3600000000 WHERE user_id = 'U-5';

-- 6: exchange a pass
--! before it expires
UPDATE enrollment_pass SET hash = zeroblob(32) WHERE user_id = 'U-5';

-- 6: use a pass again
--! before it expires
UPDATE enrollment_pass SET used_at = NULL, used_by = NULL WHERE user_id = 'U-7';

-- 6: use a pass after it expired
--! before it expires
UPDATE enrollment_pass SET used_at = expires_at + 1, used_by = (SELECT max(id) FROM credential WHERE user_id = 'U-5') WHERE user_id = 'U-5';

-- 6: use a revoked pass
--! before it expires
UPDATE enrollment_pass SET used_at = {{now}}, used_by = (SELECT max(id) FROM credential) WHERE user_id = 'U-8';

-- 6: make a revoked pass live
--! before it expires
UPDATE enrollment_pass SET revoked_at = NULL WHERE user_id = 'U-8';

-- 6: delete a pass
--! never deleted
DELETE FROM enrollment_pass;

-- 4: a second open case for a user
--! UNIQUE
INSERT INTO reset_case (number, state, requester, account_id, user_id, locale, opened_at, expires_at, watched_from, due_at, opener_mail)
    VALUES ('RST-ZZZZZZ', 'open', 'anna@acme.example', 'A-1001', 'U-2', 'en', {{now}}, {{now}} + 1, {{now}}, {{now}}, 1);

-- 2: replace the open case of a user
--! a case is never deleted
INSERT OR REPLACE INTO reset_case (number, state, requester, account_id, user_id, locale, opened_at, expires_at, watched_from, due_at, opener_mail)
    VALUES ('RST-ZZZZZZ', 'open', 'anna@acme.example', 'A-1001', 'U-2', 'en', {{now}}, {{now}} + 1, {{now}}, {{now}}, 1);

-- 2: a second open question of a requester
--! UNIQUE
INSERT INTO reset_case (number, state, requester, locale, opened_at, expires_at, watched_from, due_at, opener_mail)
    VALUES ('RST-ZZZZZZ', 'open', 'owner@gamma.example', 'en', {{now}}, {{now}} + 1, {{now}}, {{now}}, 1);

-- 2: a second open case for a user, by resolving a question
--! UNIQUE
INSERT INTO reset_case (number, state, requester, account_id, locale, opened_at, expires_at, watched_from, due_at, opener_mail)
    VALUES ('RST-ZZZZZZ', 'open', 'anna@acme.example', 'A-1001', 'en', {{now}}, {{now}} + 1, {{now}}, {{now}}, 1);
UPDATE reset_case SET user_id = 'U-2', version = 2 WHERE number = 'RST-ZZZZZZ';

-- 4: a case that begins decided
--! a case begins open
INSERT INTO reset_case (number, state, requester, account_id, user_id, locale, opened_at, expires_at, watched_from, due_at, opener_mail, closed_at, closed_by)
    VALUES ('RST-ZZZZZZ', 'cleared', 'anna@acme.example', 'A-1001', 'U-1', 'en', {{now}}, {{now}} + 1, {{now}}, {{now}}, 1, {{now}}, 'x');

-- 3: a case for a user of another account
--! a case begins open
INSERT INTO reset_case (number, state, requester, account_id, user_id, locale, opened_at, expires_at, watched_from, due_at, opener_mail)
    VALUES ('RST-ZZZZZZ', 'open', 'anna@acme.example', 'A-1001', 'U-6', 'en', {{now}}, {{now}} + 1, {{now}}, {{now}}, 1);

-- 3: a case for an account whose admin the requester is not
--! a case begins open
INSERT INTO reset_case (number, state, requester, account_id, user_id, locale, opened_at, expires_at, watched_from, due_at, opener_mail)
    VALUES ('RST-ZZZZZZ', 'open', 'owner@gamma.example', 'A-1001', 'U-1', 'en', {{now}}, {{now}} + 1, {{now}}, {{now}}, 1);

-- 3: resolve a question into an account whose admin the requester is not
--! keeps its identity
UPDATE reset_case SET account_id = 'A-1001', user_id = 'U-1', version = version + 1 WHERE id = {{id "question"}};

-- 4: exchange the user of a case
--! keeps its identity
UPDATE reset_case SET user_id = 'U-1', version = version + 1 WHERE id = {{id "open"}};

-- 4: exchange the requester of a case
--! keeps its identity
UPDATE reset_case SET requester = 'piet@beta.example', version = version + 1 WHERE id = {{id "open"}};

-- 4: make a case live longer
--! keeps its identity
UPDATE reset_case SET expires_at = expires_at + 1, version = version + 1 WHERE id = {{id "open"}};

-- 4: decide a case without counting its version
--! keeps its identity
{{event "case.rejected" "open"}}
UPDATE reset_case SET state = 'rejected', closed_at = {{now}}, closed_by = 'x' WHERE id = {{id "open"}};

-- 4: count a version twice
--! keeps its identity
UPDATE reset_case SET version = version + 2 WHERE id = {{id "open"}};

-- 4: count a version back
--! keeps its identity
UPDATE reset_case SET version = version - 1 WHERE id = {{id "no"}};

-- 4: count a round back
--! keeps its identity
UPDATE reset_case SET round = round - 1, version = version + 1 WHERE id = {{id "open"}};

-- 9: reject a case without an audit event
--! without a recorded event
UPDATE reset_case SET state = 'rejected', closed_at = {{now}}, closed_by = 'x', version = version + 1 WHERE id = {{id "open"}};

-- 9: let a case expire without an audit event
--! without a recorded event
UPDATE reset_case SET state = 'expired', closed_at = {{now}}, closed_by = 'clock', version = version + 1 WHERE id = {{id "voted"}};

-- 4: reopen a rejected case
--! decided once
UPDATE reset_case SET state = 'open', closed_at = NULL, closed_by = '', version = version + 1 WHERE id = {{id "rejected"}};

-- 4: decide a rejected case again
--! decided once
{{event "case.withdrawn" "rejected"}}
UPDATE reset_case SET state = 'withdrawn', version = version + 1 WHERE id = {{id "rejected"}};

-- 4: reject a cleared case
--! decided once
{{event "case.rejected" "cleared"}}
UPDATE reset_case SET state = 'rejected', version = version + 1 WHERE id = {{id "cleared"}};

-- 4: reopen a cleared case
--! decided once
UPDATE reset_case SET state = 'open', closed_at = NULL, closed_by = '', version = version + 1 WHERE id = {{id "cleared"}};

-- 9: rewrite why a case was rejected
--! decided once
UPDATE reset_case SET close_reason = 'nothing' WHERE id = {{id "rejected"}};

-- 2: delete a case
--! a case is never deleted
DELETE FROM reset_case WHERE id = {{id "rejected"}};

-- 2: overwrite a case through its number
--! a case begins open
INSERT OR REPLACE INTO reset_case SELECT * FROM reset_case;

-- 3: give a case another opener, whose verdict is better
--! a mail stays with its case
UPDATE case_mail SET inbound_id = (SELECT max(inbound_id) FROM assessment) WHERE case_id = {{id "open"}} AND role = 'opened';

-- 3: overwrite the opener of a case
--! the opener that it names
INSERT OR REPLACE INTO case_mail (case_id, inbound_id, role) SELECT {{id "open"}}, min(id), 'opened' FROM inbound;

-- 3: withdraw a case by a mail that nothing proves
--! proven mail of an admin
{{event "case.withdrawn" "open"}}
INSERT INTO case_mail (case_id, inbound_id, role, says) SELECT {{id "open"}}, max(inbound_id), 'replied', 'withdraw' FROM assessment
    WHERE claimed = 'anna@acme.example' AND verdict = 'unverified' AND inbound_id NOT IN (SELECT inbound_id FROM case_mail WHERE case_id = {{id "open"}});
UPDATE reset_case SET state = 'withdrawn', version = version + 1, closed_at = {{now}}, closed_by = 'owner', held_by = '' WHERE id = {{id "open"}};

-- 3: let a case come back to a closed one of somebody else
--! comes back to a closed case
INSERT INTO reset_case (number, state, requester, account_id, user_id, locale, opened_at, expires_at, watched_from, due_at, opener_mail, previous_id)
    VALUES ('RST-ZZZZZZ', 'open', 'dora@delta.example', 'A-4004', 'U-8', 'en', {{now}}, {{now}} + 1, {{now}}, {{now}}, 1, {{id "rejected"}});

-- 3: let a case come back to a live one
--! comes back to a closed case
INSERT INTO reset_case (number, state, requester, account_id, user_id, locale, opened_at, expires_at, watched_from, due_at, opener_mail, previous_id)
    SELECT 'RST-ZZZZZZ', 'open', requester, account_id, NULL, 'en', {{now}}, {{now}} + 1, {{now}}, {{now}}, 1, id FROM reset_case WHERE id = {{id "open"}};

-- 1: take a mail away from its case
--! a mail stays with its case
DELETE FROM case_mail;

-- 7: a letter to an address of another account
--! a stored address of its account
{{letter "open" "address=piet@beta.example"}}

-- 7: a letter to a text that is no stored address
--! FOREIGN KEY
{{letter "open" "address=it@acme.example" "recipient='mallory@evil.example'"}}

-- 7: a letter about a reset to another user of the account
--! a stored address of its account
{{letter "open" "address=jane@acme.example" "case=question"}}

-- 7: the confirm letter to an address that is not registered
--! a stored address of its account
{{letter "open" "kind='acknowledgement'" "address=it@acme.example"}}

-- 7: a rejection to an address that was replaced
--! a stored address of its account
UPDATE address SET until = {{now}} WHERE address = 'it@acme.example';
{{letter "open" "kind='rejected'" "address=it@acme.example" "serial=2"}}

-- 6: a pass to somebody else than the user
--! a stored address of its account
{{letter "enrolled" "kind='pass'" "address=dan@delta.example" "reset=(SELECT id FROM reset WHERE user_id = 'U-7')"}}

-- 6: a pass to an address that the user does not have any more
--! a stored address of its account
UPDATE address SET until = {{now}} WHERE address = 'dora@delta.example';
{{letter "enrolled" "kind='pass'" "address=dora@delta.example" "reset=(SELECT id FROM reset WHERE user_id = 'U-7')"}}

-- 6: a pass of another case's reset
--! a stored address of its account
{{letter "enrolled" "kind='pass'" "address=dora@delta.example" "reset=(SELECT id FROM reset WHERE user_id = 'U-5')"}}

-- 6: a pass without a reset
--! CHECK
{{letter "open" "kind='pass'" "address=jane@acme.example"}}

-- 7: a letter of a round that is over or not begun
--! a stored address of its account
{{letter "open" "round=2" "address=it@acme.example"}}

-- 7: a letter that begins as sent
--! a stored address of its account
{{letter "open" "state='sent'" "serial=2" "address=it@acme.example"}}

-- 7: change the recipient of a queued letter
--! keeps its words
UPDATE letter SET recipient = 'mallory@evil.example' WHERE state = 'queued';

-- 7: change the address row of a queued letter
--! keeps its words
UPDATE letter SET address_id = 1 WHERE state = 'queued' AND address_id <> 1;

-- 7: change the bytes of a letter
--! keeps its words
UPDATE letter SET sha256 = zeroblob(32) WHERE state = 'dot';

-- 7: change the Message-ID of a letter that may have been sent
--! keeps its words
UPDATE letter SET message_id = message_id || 'x' WHERE state = 'dot';

-- 7: mark a queued letter as sent
--! sent only after its dot
UPDATE letter SET state = 'sent' WHERE state = 'queued';

-- 7: mark a letter as sent whose dot was never written
--! sent only after its dot
UPDATE letter SET state = 'sent' WHERE state = 'sending';

-- 7: mark a refused letter as sent
--! sent only after its dot
UPDATE letter SET state = 'sent' WHERE state = 'failed';

-- 7: send a letter again that was sent
--! sent only after its dot
UPDATE letter SET state = 'queued' WHERE state = 'sent';

-- 9: rewrite what the server said about a sent letter
--! keeps its words
UPDATE letter SET response = '' WHERE state = 'sent';

-- 7: count the attempts of a letter back
--! keeps its words
UPDATE letter SET attempt = 0 WHERE state = 'sending';

-- 7: delete letters that were not sent
--! a letter is never deleted
DELETE FROM letter WHERE state = 'queued';

-- 7: delete all letters
--! a letter is never deleted
DELETE FROM letter;

-- 7: overwrite a letter
--! a stored address of its account
INSERT OR REPLACE INTO letter SELECT * FROM letter WHERE state = 'queued';

-- 7: overwrite a sent letter through its Message-ID
--! a letter is never deleted
{{letter "open" "serial=2" "address=it@acme.example" "message=(SELECT message_id FROM letter WHERE state = 'sent' LIMIT 1)" "or=OR REPLACE"}}

-- 9: delete audit events
--! an audit event is never deleted
DELETE FROM audit WHERE seq = (SELECT max(seq) FROM audit);

-- 9: delete the whole audit
--! an audit event is never deleted
DELETE FROM audit;

-- 9: change who did it
--! an audit event is never changed
UPDATE audit SET actor = 'owner' WHERE action = 'case.approved';

-- 9: insert an event into the past
--! follows the last one
INSERT INTO audit SELECT 1, at, actor, action, object, detail, prev, zeroblob(32), '', '' FROM audit WHERE seq = 1;

-- 9: overwrite an event
--! follows the last one
INSERT OR REPLACE INTO audit SELECT seq, at, 'owner', action, object, detail, prev, hash, ip, request FROM audit WHERE seq = 2;

-- 9: write over an event, politely
--! follows the last one
INSERT INTO audit SELECT seq, at, actor, action, object, detail, prev, hash, ip, request FROM audit WHERE seq = 2 ON CONFLICT (seq) DO UPDATE SET actor = 'owner';

-- 9: leave a gap in the audit
--! follows the last one
INSERT INTO audit SELECT seq + 2, at, actor, action, object, detail, hash, zeroblob(32), '', '' FROM audit ORDER BY seq DESC LIMIT 1;

-- 9: begin a second chain
--! follows the last one
INSERT INTO audit SELECT seq + 1, at, actor, action, object, detail, zeroblob(32), zeroblob(32), '', '' FROM audit ORDER BY seq DESC LIMIT 1;

-- 9: an event with an old number and a hash that stands already
--! an audit event is never deleted
INSERT OR REPLACE INTO audit SELECT (SELECT max(seq) + 1 FROM audit), at, actor, action, object, detail, (SELECT hash FROM audit ORDER BY seq DESC LIMIT 1), hash, ip, request FROM audit WHERE seq = 3;

-- 9: a node of the tree out of order
--! a node follows the last one
INSERT INTO audit_node (id, hash) VALUES ((SELECT coalesce(max(id), -1) + 2 FROM audit_node), zeroblob(32));

-- 9: change a node of the tree
--! a node is never changed
INSERT INTO audit_node (id, hash) VALUES ((SELECT coalesce(max(id), -1) + 1 FROM audit_node), zeroblob(32));
UPDATE audit_node SET hash = randomblob(32);

-- 9: delete nodes of the tree
--! a node is never deleted
INSERT INTO audit_node (id, hash) VALUES ((SELECT coalesce(max(id), -1) + 1 FROM audit_node), zeroblob(32));
DELETE FROM audit_node;

-- 1: take in a mail that no day counts
--! mail_tally
INSERT INTO inbound (mailbox, folder, uidvalidity, uid, internal_date, received_at, size, fate, reason, fated_at)
    VALUES ('support', 'INBOX', 7, 99999, 1, 1, 1, 'passed', 'x', 1);

-- 9: begin a week's count of cases with more
--! a count of cases begins with one
INSERT INTO case_tally (week, what, label, n, hours) VALUES (1, 'opened', 'mail', 2, 0);

-- 9: count a case less
--! cases are counted on, one by one
UPDATE case_tally SET n = n - 1;

-- 9: forget the cases of a week
--! a count of cases is never deleted
DELETE FROM case_tally;

-- 1: begin a day's count with more
--! a tally begins with one
INSERT INTO mail_tally (mailbox, folder, day, received) VALUES ('support', 'Other', 1, 2);

-- 1: count a mail less
--! a tally counts on, one by one
UPDATE mail_tally SET received = received - 1;

-- 1: move a day's count to another folder
--! a tally counts on, one by one
UPDATE mail_tally SET folder = 'Other', received = received + 1;

-- 1: forget what a day has counted
--! a tally is never deleted
DELETE FROM mail_tally;

-- 1: begin a day's count anew
--! a tally is never deleted
INSERT OR REPLACE INTO mail_tally SELECT mailbox, folder, day, 1 FROM mail_tally;

-- 1: let a monitor see fewer mails without a fate
--! a tally counts one by one
UPDATE fate_tally SET mails = mails + 2;

-- 1: call the count of one fate another
--! a tally counts one by one
UPDATE fate_tally SET fate = 'case2', mails = mails + 1;

-- 1: forget how many mails have a fate
--! a tally is never deleted
DELETE FROM fate_tally;

-- 1: take a cursor back
--! a cursor never goes back
UPDATE cursor SET uid = uid - 1;

-- 1: forget a cursor, so that every mail counts as backlog
--! a cursor is never deleted
DELETE FROM cursor;

-- 1: forget a cursor by renaming its folder
--! a cursor never goes back
UPDATE cursor SET folder = 'Trash';

-- 1: overwrite a cursor
--! a cursor is never deleted
INSERT OR REPLACE INTO cursor SELECT mailbox, folder, uidvalidity, 0, 0, moved_at, 0 FROM cursor;

-- 1: give a mail another identity
--! keeps its identity and its bytes
UPDATE inbound SET uid = uid + 1000;

-- 1: move a mail to another folder
--! keeps its identity and its bytes
UPDATE inbound SET folder = 'Trash' WHERE id = 1;

-- 1: change the bytes of a mail
--! keeps its identity and its bytes
UPDATE inbound SET raw = X'00' WHERE id = 1;

-- 1: forget the bytes of a mail that was not read yet
--! keeps its identity and its bytes
UPDATE inbound SET raw = NULL WHERE fate IS NULL;

-- 9: forget the bytes of a mail whose case is open
--! keeps its identity and its bytes
UPDATE inbound SET raw = NULL WHERE id = (SELECT inbound_id FROM case_mail WHERE case_id = {{id "open"}} AND role = 'opened');

-- 1: put a waiting mail into the backlog, so that nobody is told
--! keeps its identity and its bytes
UPDATE inbound SET backlog = 1 WHERE fate IS NULL;

-- 1: change the fate of a mail that opened a case
--! a mail has one fate
UPDATE inbound SET fate = 'passed' WHERE fate = 'case';

-- 1: let a mail wait again
--! a mail has one fate
UPDATE inbound SET fate = NULL, fated_at = NULL WHERE fate = 'case';

-- 1: say that a mail opened a case that it did not
--! a mail has one fate
UPDATE inbound SET fate = 'case', reason = 'x', fated_at = {{now}} WHERE fate IS NULL;

-- 1: write a mail down as handled, without a case
--! a mail begins without a fate
INSERT INTO inbound (mailbox, folder, uidvalidity, uid, internal_date, received_at, size, fate, reason, fated_at)
    VALUES ('support', 'INBOX', 7, 900, 1, 1, 1, 'case', 'x', 1);

-- 9: rewrite the reason of a fate
--! a mail has one fate
UPDATE inbound SET reason = 'something else' WHERE fate = 'case';

-- 1: a fate without a reason
--! CHECK
UPDATE inbound SET fate = 'passed', fated_at = {{now}} WHERE fate IS NULL;

-- 1: delete a mail
--! a mail is never deleted
DELETE FROM inbound WHERE fate IS NULL;

-- 1: overwrite a mail
--! a mail is never deleted
INSERT OR REPLACE INTO inbound (mailbox, folder, uidvalidity, uid, internal_date, received_at, size)
    SELECT mailbox, folder, uidvalidity, uid, internal_date, received_at, size FROM inbound;

-- 2: the same mail twice
--! UNIQUE
INSERT INTO inbound (mailbox, folder, uidvalidity, uid, internal_date, received_at, size)
    SELECT mailbox, folder, uidvalidity, uid, internal_date, received_at, size FROM inbound WHERE id = 1;

-- 2: the same mail twice, as another one of its number
--! a uid is used again after it was used
INSERT INTO inbound (mailbox, folder, uidvalidity, uid, internal_date, received_at, size, reuse)
    SELECT mailbox, folder, uidvalidity, uid, internal_date, received_at, size, 2 FROM inbound WHERE id = 1;

-- 2: make room for the same mail
--! keeps its identity and its bytes
UPDATE inbound SET reuse = 1 WHERE id = 1;

-- 3: make a verdict better
--! an assessment is never changed
UPDATE assessment SET verdict = 'authenticated';

-- 3: delete a verdict
--! an assessment is never deleted
DELETE FROM assessment;

-- 3: overwrite a verdict
--! an assessment is never deleted
INSERT OR REPLACE INTO assessment SELECT inbound_id, 'authenticated', match, from_addr, claimed, message_id, subject, excerpt, request, score, language, evidence, assessed_at FROM assessment;

-- 3: forget a signature, so that a replay passes
--! a signature that was seen stays seen
DELETE FROM signature_seen;

-- 3: say that a signature was first seen on another mail
--! a signature that was seen stays seen
UPDATE signature_seen SET inbound_id = (SELECT max(id) FROM inbound);

-- 3: overwrite where a signature was seen
--! a signature that was seen stays seen
INSERT OR REPLACE INTO signature_seen SELECT fingerprint, (SELECT max(id) FROM inbound) FROM signature_seen;

-- 3: rewrite an address in place
--! it only ends
UPDATE address SET address = 'mallory@evil.example', lookup = 'mallory@evil.example' WHERE address = 'anna@acme.example';

-- 3: make a new address look old
--! it only ends
UPDATE address SET since = 1;

-- 3: give a notification address the rights of a registered one
--! it only ends
UPDATE address SET role = 'admin', user_id = 'U-1' WHERE address = 'it@acme.example';

-- 3: bring a replaced address back
--! it only ends
UPDATE address SET until = {{now}} WHERE address = 'anna@acme.example';
UPDATE address SET until = NULL WHERE address = 'anna@acme.example';

-- 9: delete the history of an address
--! it is never deleted
DELETE FROM address WHERE role = 'notify';

-- 3: overwrite an address
--! it is never deleted
INSERT OR REPLACE INTO address SELECT id, account_id, user_id, role, address, lookup, skeleton, 'x', since, until FROM address WHERE id = 1;

-- 3: move a user into another account, whose admin then asks
--! a user stays in the account
UPDATE panel_user SET account_id = 'A-2002' WHERE id = 'U-2';

-- 3: move a user by overwriting the row
--! a user stays in the account
INSERT OR REPLACE INTO panel_user SELECT id, 'A-2002', login, full_name, role, remind_at, created_at, removed_at FROM panel_user WHERE id = 'U-2';

-- 3: move a user, politely
--! a user stays in the account
INSERT INTO panel_user SELECT id, 'A-2002', login, full_name, role, remind_at, created_at, removed_at FROM panel_user WHERE id = 'U-2'
    ON CONFLICT (id) DO UPDATE SET account_id = excluded.account_id;

-- 9: delete a user
--! a user stays in the account
DELETE FROM panel_user WHERE id = 'U-2';

-- 9: delete an account
--! an account keeps its beginning
DELETE FROM account WHERE id = 'A-1001';

-- 3: make an account younger than its addresses, so that no change shows
--! an account keeps its beginning
UPDATE account SET created_at = {{now}};

-- 3: make an account younger by overwriting it
--! an account keeps its beginning
INSERT OR REPLACE INTO account SELECT id, name, locale, required_from, {{now}}, removed_at FROM account;

-- 4: turn a reviewer into another person
--! stays the same person
UPDATE reviewer SET email = 'mallory@evil.example' WHERE id = 1;

-- 4: give a reviewer somebody else's factor
--! stays the same person
UPDATE reviewer SET holder_id = 'staff:2' WHERE id = 1;

-- 9: delete a reviewer
--! never deleted
DELETE FROM reviewer WHERE id = 4;

-- 4: overwrite a reviewer
--! never deleted
INSERT OR REPLACE INTO reviewer (id, holder_id, email, name, role, created_at) SELECT id, holder_id, email, name, 'admin', created_at FROM reviewer WHERE id = 3;

-- 4: use an invitation again, for a new password
--! an invitation is used once
UPDATE invitation SET used_at = NULL;

-- 4: make an invitation live longer
--! an invitation is used once
UPDATE invitation SET expires_at = expires_at + 1;

-- 4: overwrite a used invitation
--! an invitation is used once
INSERT OR REPLACE INTO invitation SELECT hash, reviewer_id, created_at, expires_at, NULL FROM invitation;

-- 4: take a session up again that ended
--! stays ended
UPDATE session SET ended_at = {{now}} WHERE reviewer_id = 1;
UPDATE session SET ended_at = NULL WHERE reviewer_id = 1;

-- 4: overwrite a session that ended
--! stays ended
UPDATE session SET ended_at = {{now}} WHERE reviewer_id = 1;
INSERT OR REPLACE INTO session (hash, reviewer_id, created_at, seen_at, expires_at, ip, agent, factor_at)
    SELECT hash, reviewer_id, created_at, seen_at, expires_at, ip, agent, factor_at FROM session;

-- 4: make a session live longer
--! stays ended
UPDATE session SET expires_at = expires_at + 1;

-- 4: give a session to another reviewer
--! stays ended
UPDATE session SET reviewer_id = 2 WHERE reviewer_id = 1;

-- 9: delete a session that voted
--! stays ended
DELETE FROM session;

-- 4: delete an invitation
--! an invitation is used once
DELETE FROM invitation;

-- 6: forget the canary, so that any keys seem right
--! never deleted
DELETE FROM meta WHERE name = 'canary';

-- 3: a case that nothing opened
--! CHECK
INSERT INTO reset_case (number, state, requester, account_id, user_id, locale, opened_at, expires_at, watched_from, due_at)
    VALUES ('RST-ZZZZZZ', 'open', 'dora@delta.example', 'A-4004', 'U-8', 'en', {{now}}, {{now}} + 1, {{now}}, {{now}});

-- 3: a case that both a mail and the panel opened
--! CHECK
INSERT INTO reset_case (number, state, requester, account_id, user_id, locale, opened_at, expires_at, watched_from, due_at, opener_mail, opener_request)
    VALUES ('RST-ZZZZZZ', 'open', 'dora@delta.example', 'A-4004', 'U-8', 'en', {{now}}, {{now}} + 1, {{now}}, {{now}}, 1, 1);

-- 3: a case of the panel for nobody
--! CHECK
INSERT INTO reset_case (number, state, requester, locale, opened_at, expires_at, watched_from, due_at, opener_request)
    VALUES ('RST-ZZZZZZ', 'open', 'dora@delta.example', 'en', {{now}}, {{now}} + 1, {{now}}, {{now}}, 1);

-- 3: give the case of a mail to the panel
--! keeps its identity
UPDATE reset_case SET opener_mail = NULL, opener_request = 1, version = version + 1 WHERE id = {{id "open"}};

-- 3: put an opening mail under a case of the panel
--! the opener that it names
INSERT INTO case_mail (case_id, inbound_id, role) VALUES ({{id "panel"}}, 1, 'opened');

-- 3: attach the opener of a case as if it only repeated the request
--! the opener that it names
INSERT INTO reset_case (number, state, requester, account_id, user_id, locale, opened_at, expires_at, watched_from, due_at, opener_mail)
    VALUES ('RST-ZZZZZZ', 'open', 'dora@delta.example', 'A-4004', 'U-8', 'en', {{now}}, {{now}} + 1, {{now}}, {{now}}, 1);
INSERT INTO case_mail (case_id, inbound_id, role) SELECT id, 1, 'attached' FROM reset_case WHERE number = 'RST-ZZZZZZ';

-- 3: a request of the panel by a user of another account
--! the user asks, or an admin
INSERT INTO panel_request (case_id, serial, asked_by, password_at, note, ip, agent, received_at)
    VALUES ({{id "panel"}}, 2, 'U-3', {{now}}, '', '', '', {{now}});

-- 3: a request of the panel by a colleague who is no admin
--! the user asks, or an admin
INSERT INTO panel_request (case_id, serial, asked_by, password_at, note, ip, agent, received_at)
    VALUES ({{id "panel"}}, 2, 'U-2', {{now}}, '', '', '', {{now}});

-- 3: a request of the panel for a case that is decided
--! the user asks, or an admin
INSERT INTO panel_request (case_id, serial, asked_by, password_at, note, ip, agent, received_at)
    VALUES ({{id "cleared"}}, 1, 'U-5', {{now}}, '', '', '', {{now}});

-- 3: a request of the panel under a number of its own
--! the user asks, or an admin
INSERT INTO panel_request (case_id, serial, asked_by, password_at, note, ip, agent, received_at)
    VALUES ({{id "panel"}}, 7, 'U-1', {{now}}, '', '', '', {{now}});

-- 3: overwrite a request of the panel
--! the user asks, or an admin
INSERT OR REPLACE INTO panel_request (case_id, serial, asked_by, password_at, note, ip, agent, received_at)
    VALUES ({{id "panel"}}, 1, 'U-1', {{now}}, '', '', '', {{now}});

-- 3: say later that the password was proved
--! a request of the panel is never changed
UPDATE panel_request SET password_at = {{now}};

-- 9: delete a request of the panel
--! a request of the panel is never deleted
DELETE FROM panel_request;

-- 4: reset a case of the panel without the owner's yes
--! recorded approvals and the owner's yes
{{vote "panel"}}
{{event "case.cleared" "panel"}}
{{reset "panel"}}

-- 4: reset a case of the panel with the owner's yes and no vote
--! recorded approvals and the owner's yes
{{yes "panel"}}
{{event "case.cleared" "panel"}}
{{reset "panel"}}

-- 4: reset a case whose user logged in with the second factor since
--! recorded approvals and the owner's yes
INSERT INTO signal (user_id, kind, second_factor, at, ip, agent, received_at)
    SELECT user_id, 'logged_in', 1, watched_from + 1, '', '', watched_from + 1 FROM reset_case WHERE id = {{id "yes"}};
{{vote "yes"}}
{{event "case.cleared" "yes"}}
{{reset "yes"}}

-- 4: the same, with a panel whose clock is slow
--! recorded approvals and the owner's yes
INSERT INTO signal (user_id, kind, second_factor, at, ip, agent, received_at)
    SELECT user_id, 'logged_in', 1, watched_from - 299000000, '', '', watched_from + 1 FROM reset_case WHERE id = {{id "yes"}};
{{vote "yes"}}
{{event "case.cleared" "yes"}}
{{reset "yes"}}

-- 9: change what the panel saw
--! a signal is never changed
UPDATE signal SET second_factor = 0;

-- 9: overwrite what the panel saw
--! a signal is never changed
INSERT OR REPLACE INTO signal SELECT id, user_id, 'login_failed', 0, at, ip, agent, received_at FROM signal;

-- 9: forget what the panel saw
--! a signal is kept for 90 days
DELETE FROM signal;

-- 9: forget what the panel saw a day too early
--! a signal is kept for 90 days
INSERT INTO audit SELECT a.seq + 1, (SELECT min(received_at) + 89 * 86400000000 FROM signal), 'clock', 'signals.forgotten', 'signals', '{}', a.hash, randomblob(32), '', ''
    FROM audit a ORDER BY a.seq DESC LIMIT 1;
DELETE FROM signal;

-- 9: a signal from the future
--! CHECK
INSERT INTO signal (user_id, kind, second_factor, at, ip, agent, received_at) VALUES ('U-2', 'logged_in', 1, {{now}} + 300000001, '', '', {{now}});

-- 9: a signal of long ago
--! CHECK
INSERT INTO signal (user_id, kind, second_factor, at, ip, agent, received_at) VALUES ('U-2', 'logged_in', 1, {{now}} - 86400000001, '', '', {{now}});

-- 9: a failed login with the second factor
--! CHECK
INSERT INTO signal (user_id, kind, second_factor, at, ip, agent, received_at) VALUES ('U-2', 'login_failed', 1, {{now}}, '', '', {{now}});

-- 9: what the panel saw of a reviewer
--! FOREIGN KEY
INSERT INTO signal (user_id, kind, second_factor, at, ip, agent, received_at) VALUES ('staff:1', 'logged_in', 1, {{now}}, '', '', {{now}});

-- 9: change a note
--! a note is never changed
UPDATE case_note SET text = 'all is well';

-- 9: overwrite a note
--! a note is never changed
INSERT OR REPLACE INTO case_note SELECT id, case_id, author, 'all is well', at FROM case_note;

-- 9: delete a note
--! a note is never deleted
DELETE FROM case_note;

-- 9: a note in the name of a reviewer
--! CHECK
INSERT INTO case_note (case_id, author, text, at) VALUES ({{id "panel"}}, 'reviewer:1', 'I called them', {{now}});

-- 9: let a key do more
--! an API key is never changed
{{apikey}}
UPDATE api_key SET scopes = 'accounts:write';

-- 9: let a key in from anywhere
--! an API key is never changed
{{apikey}}
UPDATE api_key SET allow = '';

-- 9: take a revoked key up again
--! an API key is never changed
{{apikey}}
UPDATE api_key SET revoked_at = {{now}};
UPDATE api_key SET revoked_at = NULL;

-- 9: make a key live longer
--! an API key is never changed
{{apikey}}
UPDATE api_key SET expires_at = NULL;

-- 9: delete a key that acted
--! an API key is never deleted
{{apikey}}
DELETE FROM api_key;

-- 9: overwrite a key
--! an API key begins unused
{{apikey}}
INSERT OR REPLACE INTO api_key (id, name, hash, scopes, created_at) VALUES (1, 'panel', zeroblob(32), 'accounts:write', {{now}});

-- 9: overwrite a key by its token
--! an API key begins unused
{{apikey}}
INSERT OR REPLACE INTO api_key (id, name, hash, scopes, created_at) VALUES (2, 'panel', zeroblob(32), 'accounts:write', {{now}});

-- 5: have an answer before the act
--! a claim begins without an answer
{{apikey}}
INSERT INTO idempotency VALUES (1, 'a', zeroblob(32), 200, X'00', {{now}}, {{now}});

-- 5: answer a second time
--! an answer is given once
{{apikey}}
INSERT INTO idempotency VALUES (1, 'a', zeroblob(32), NULL, NULL, {{now}}, NULL);
UPDATE idempotency SET status = 200, sealed = X'00', done_at = {{now}};
UPDATE idempotency SET status = 200, sealed = X'01', done_at = {{now}};

-- 5: put another request under a claim
--! an answer is given once
{{apikey}}
INSERT INTO idempotency VALUES (1, 'a', zeroblob(32), NULL, NULL, {{now}}, NULL);
UPDATE idempotency SET request = randomblob(32);

-- 3: a letter to a user at an address of another account
--! a letter to a user goes to a current address
{{note "address=piet@beta.example"}}

-- 3: a letter to a user at an address that ended
--! a letter to a user goes to a current address
UPDATE address SET until = since WHERE address = 'jane@acme.example';
{{note ""}}

-- 3: a letter to a user at an address that another user had
--! a letter to a user goes to a current address
{{note "address=dan@delta.example"}}

-- 7: a letter of the user alone to an admin
--! a letter to a user goes to a current address
{{note "address=anna@acme.example"}}

-- 7: a letter of the user alone to a contact
--! a letter to a user goes to a current address
{{note "address=it@acme.example"}}

-- 7: guessing told to a contact who is no admin
--! a letter to a user goes to a current address
{{fact "alarm"}}
{{note "kind='alarm'" "address=it@acme.example"}}

-- 7: a letter in the place of a user without an address to a contact who is no admin
--! a letter to a user goes to a current address
UPDATE address SET until = since WHERE address = 'jane@acme.example';
{{note "address=it@acme.example"}}

-- 3: a factor turned off told to an address that ended more than 30 days ago
--! a letter to a user goes to a current address
INSERT INTO address (account_id, role, address, lookup, skeleton, source, since, until) VALUES ('A-1001', 'notify', 'old@acme.example', 'old@acme.example', '', 'x', 1, {{now}} - 2592000000000);
UPDATE holder SET verified_at = {{now}} WHERE id = 'U-2';
{{fact "turned_off"}}
{{note "kind='turned_off'" "address=old@acme.example"}}

-- 3: a factor turned off told to the former address of another user
--! a letter to a user goes to a current address
INSERT INTO address (account_id, user_id, role, address, lookup, skeleton, source, since, until) VALUES ('A-1001', 'U-1', 'user', 'old@acme.example', 'old@acme.example', '', 'x', 1, {{now}});
UPDATE holder SET verified_at = {{now}} WHERE id = 'U-2';
{{fact "turned_off"}}
{{note "kind='turned_off'" "address=old@acme.example"}}

-- 3: a factor turned off told to a former address of another account
--! a letter to a user goes to a current address
UPDATE address SET until = {{now}} WHERE address = 'piet@beta.example';
UPDATE holder SET verified_at = {{now}} WHERE id = 'U-2';
{{fact "turned_off"}}
{{note "kind='turned_off'" "address=piet@beta.example"}}

-- 7: a letter of the user alone to an address that was a contact until lately
--! a letter to a user goes to a current address
UPDATE address SET until = {{now}} WHERE address = 'it@acme.example';
{{note "address=it@acme.example"}}

-- 7: guessing told to an admin's address that ended
--! a letter to a user goes to a current address
UPDATE address SET until = {{now}} WHERE address = 'anna@acme.example';
{{fact "alarm"}}
{{note "kind='alarm'" "address=anna@acme.example"}}

-- 3: a letter to a user to a text that is no stored address
--! FOREIGN KEY
{{note "recipient='mallory@evil.example'"}}

-- 7: a letter of an event of somebody else
--! tells of an event
{{note "topic='event:' || (SELECT max(id) FROM factor_event WHERE user_id = 'U-1')"}}

-- 7: a letter of another kind than its event
--! tells of an event
{{note "kind='turned_off'" "topic='event:' || (SELECT max(id) FROM factor_event WHERE user_id = 'U-2')"}}

-- 7: a letter of an event that never was
--! tells of an event
{{note "topic='event:999999'"}}

-- 7: a second letter of one event, by another way to write its number
--! tells of an event
{{note "topic=(SELECT 'event:0' || max(id) FROM factor_event WHERE user_id = 'U-2')"}}

-- 7: a reminder to a user who is enrolled
--! has yet to enroll
{{note "kind='reminder'" "topic='due:2027-01-31:7'"}}

-- 7: a reminder to a user whom nobody asks
--! has yet to enroll
UPDATE holder SET api_only = 1 WHERE id = 'U-5';
{{note "user='U-5'" "kind='reminder'" "topic='due:2027-01-31:7'" "address=owner@gamma.example"}}

-- 7: a reminder to a user who was removed
--! has yet to enroll
UPDATE panel_user SET removed_at = {{now}} WHERE id = 'U-5';
{{note "user='U-5'" "kind='reminder'" "topic='due:2027-01-31:7'" "address=owner@gamma.example"}}

-- 7: a reminder without a day
--! CHECK
{{note "user='U-5'" "kind='reminder'" "topic='event:1'" "address=owner@gamma.example"}}

-- 7: tell an event twice
--! UNIQUE
{{note ""}}
{{note "message='twice@host.example'"}}

-- 7: a letter of a case and of a user
--! CHECK
{{note "case=(SELECT max(id) FROM reset_case)"}}

-- 7: a letter of nothing
--! a letter goes to a stored address
{{note "user=NULL"}}

-- 7: a letter of a case without a case
--! tells of an event
{{note "kind='notice'" "topic='event:1'"}}

-- 7: give a letter of a user another topic
--! a letter keeps its words and its recipient
{{note ""}}
UPDATE letter SET topic = 'event:2' WHERE user_id IS NOT NULL;

-- 7: give a letter to another user
--! a letter keeps its words and its recipient
{{note ""}}
UPDATE letter SET user_id = 'U-1' WHERE user_id IS NOT NULL;

-- 7: give a letter of a user to a case
--! a letter keeps its words and its recipient
{{note ""}}
UPDATE letter SET case_id = 1, user_id = NULL, topic = NULL WHERE user_id IS NOT NULL;

-- 6: a new user who is let off what the account must do
--! a user has the date of the account
UPDATE account SET required_from = 1 WHERE id = 'A-1001';
INSERT INTO holder (id) VALUES ('U-99');
INSERT INTO panel_user (id, account_id, login, role, created_at) VALUES ('U-99', 'A-1001', 'new', 'user', {{now}});

-- 6: a new user who must do what the account need not
--! a user has the date of the account
INSERT INTO holder (id, required_from) VALUES ('U-99', 1);
INSERT INTO panel_user (id, account_id, login, role, created_at) VALUES ('U-99', 'A-1001', 'new', 'user', {{now}});

-- 9: point a webhook elsewhere
--! a webhook keeps its address
UPDATE webhook SET url = 'https://evil.example/';

-- 9: tell a webhook everything again
--! a webhook keeps its address
UPDATE webhook SET cursor = 0;

-- 9: take a webhook up that was removed
--! a webhook keeps its address
UPDATE webhook SET sealed = NULL, removed_at = {{now}};
UPDATE webhook SET sealed = X'00', removed_at = NULL;

-- 9: overwrite a webhook
--! a webhook keeps its address
INSERT OR REPLACE INTO webhook (id, url, events, sealed, cursor, created_at) SELECT id, 'https://evil.example/', '', sealed, cursor, created_at FROM webhook;

-- 9: delete a webhook
--! never deleted
DELETE FROM webhook;

-- 9: forget the secret of a webhook that is told
--! CHECK
UPDATE webhook SET sealed = NULL;

-- 9: queue an event for a webhook a second time
--! queued once for a webhook
INSERT INTO webhook_delivery (webhook_id, seq, type, body, state, next_at, queued_at, changed_at)
    SELECT webhook_id, seq, type, '{}', 'waiting', {{now}}, {{now}}, {{now}} FROM webhook_delivery;

-- 9: overwrite a delivery
--! queued once for a webhook
INSERT OR REPLACE INTO webhook_delivery (id, webhook_id, seq, type, body, state, next_at, queued_at, changed_at)
    SELECT id, webhook_id, seq + 1000, type, '{}', 'waiting', {{now}}, {{now}}, {{now}} FROM webhook_delivery;

-- 9: a delivery that begins delivered
--! queued once for a webhook
{{event "case.held" "open"}}
INSERT INTO webhook_delivery (webhook_id, seq, type, body, state, next_at, queued_at, changed_at)
    SELECT max(id), {{seq}}, 'case.held', '{}', 'delivered', {{now}}, {{now}}, {{now}} FROM webhook;

-- 9: change what a webhook is told
--! keeps its event and its bytes
UPDATE webhook_delivery SET body = '{"type":"case.cleared"}';

-- 9: call a delivery delivered that was given up
--! keeps its event and its bytes
UPDATE webhook_delivery SET state = 'dead';
UPDATE webhook_delivery SET state = 'delivered';

-- 9: let an earlier attempt speak for a later one
--! keeps its event and its bytes
UPDATE webhook_delivery SET attempt = 2;
UPDATE webhook_delivery SET attempt = 1;

-- 9: drop what waits for a webhook
--! a delivery that waits is not deleted
DELETE FROM webhook_delivery;

-- 4: a vote that has expired clears nothing
--! recorded approvals and the owner's yes
{{vote "yes" "step=" "now" " - 7200000000" "at=" "now" " - 7200000000" "expires=" "now" " - 3600000000"}}
{{event "case.cleared" "yes"}}
{{reset "yes"}}

-- 4: a vote for ever
--! CHECK
{{vote "yes" "expires=" "now" " + 7776000000001"}}

-- 4: a vote in the name of somebody else
--! nobody of the account
{{vote "yes" "person='sam@elsewhere.example'"}}

-- 4: a second person by a tag in the address
--! CHECK
{{vote "yes" "reviewer=5" "person='sam+2@host.example'"}}

-- 4: a second person by a letter of an address that stands for any
--! nobody of the account
{{vote "yes" "reviewer=5" "person='s_m@host.example'"}}

-- 4: two votes of one person through two reviewers
--! one vote that counts
{{vote "yes"}}
{{vote "yes" "reviewer=5" "person='sam@host.example'"}}

-- 4: two votes by tags of one mailbox pass for two persons
--! recorded approvals and the owner's yes
{{vote "yes"}}
{{event "case.cleared" "yes"}}
{{reset "yes" "required=2"}}

-- 4: one vote while threat mode is on
--! recorded approvals and the owner's yes
{{threat}}
{{vote "yes"}}
{{event "case.cleared" "yes"}}
{{reset "yes"}}

-- 4: a reset of a frozen account
--! recorded approvals and the owner's yes
{{freeze}}
{{vote "yes"}}
{{event "case.cleared" "yes"}}
{{reset "yes"}}

-- 4: a reset with fewer rows of evidence than the policy asks for
--! recorded approvals and the owner's yes
{{evidence "yes" "result='unknown'"}}
{{vote "yes"}}
{{event "case.cleared" "yes"}}
{{reset "yes" "evidence=1"}}

-- 4: a reset on evidence that failed since
--! recorded approvals and the owner's yes
{{evidence "yes"}}
{{evidence "yes" "result='fail'"}}
{{vote "yes"}}
{{event "case.cleared" "yes"}}
{{reset "yes" "evidence=0"}}

-- 4: a reset on the evidence of another case
--! recorded approvals and the owner's yes
{{evidence "open"}}
{{vote "yes"}}
{{event "case.cleared" "yes"}}
{{reset "yes" "evidence=1"}}

-- 9: evidence forged without its event
--! recorded by an entitled reviewer
{{evidence "yes" "event=case.seen"}}

-- 9: evidence in somebody else's name
--! recorded by an entitled reviewer
{{evidence "yes" "actor=reviewer:1"}}

-- 4: evidence answered by a viewer
--! recorded by an entitled reviewer
{{evidence "yes" "reviewer=3"}}

-- 4: evidence answered by the user, who is a reviewer too
--! recorded by an entitled reviewer
{{evidence "yes" "reviewer=4"}}

-- 4: evidence answered without a session
--! recorded by an entitled reviewer
{{evidence "yes" "session=zeroblob(32)"}}

-- 4: evidence in a round that is over
--! recorded by an entitled reviewer
{{evidence "yes" "round=9"}}

-- 4: evidence for a closed case
--! recorded by an entitled reviewer
{{evidence "rejected"}}

-- 4: evidence put before what stands already
--! recorded by an entitled reviewer
{{evidence "yes" "id=0"}}

-- 4: a second admin who is a reviewer
--! CHECK
{{evidence "yes" "how='second_admin'"}}

-- 4: a second admin through the confirm link
--! recorded by an entitled reviewer
{{evidence "yes" "how='second_admin'" "reviewer=NULL" "session=NULL" "actor=owner" "link=(SELECT hash FROM owner_link WHERE purpose = 'confirm' AND case_id = (SELECT id FROM reset_case WHERE user_id = 'U-4'))"}}

-- 4: a link to vouch for the requester himself
--! goes to a registered address
INSERT INTO owner_link SELECT zeroblob(32), c.id, c.round, 'vouch', a.id, {{now}}, {{now}} + 1
    FROM reset_case c JOIN address a ON a.account_id = c.account_id AND a.lookup = c.requester WHERE c.id = {{id "yes"}};

-- 4: a link to vouch for a mere contact
--! goes to a registered address
INSERT INTO owner_link SELECT zeroblob(32), c.id, c.round, 'vouch', a.id, {{now}}, {{now}} + 1
    FROM reset_case c JOIN address a ON a.account_id = c.account_id AND a.role = 'notify' WHERE c.id = {{id "open"}};

-- 3: a letter to vouch for a mere contact
--! a letter goes to a stored address of its account
{{letter "open" "kind='vouch'" "address=it@acme.example"}}

-- 9: change evidence
--! evidence is never changed
{{evidence "yes" "result='unknown'"}}
UPDATE evidence SET result = 'pass';

-- 9: delete evidence
--! evidence is never deleted
{{evidence "yes" "result='fail'"}}
DELETE FROM evidence;

-- 9: overwrite evidence
--! recorded by an entitled reviewer
{{evidence "yes" "result='fail'"}}
INSERT OR REPLACE INTO evidence SELECT * FROM evidence;

-- 4: turn threat mode off by updating the switch
--! never changed
{{threat}}
UPDATE threat_turn SET active = 0;

-- 4: turn threat mode off by deleting the switch
--! a turn of the threat switch is never deleted
{{threat}}
DELETE FROM threat_turn;

-- 4: turn threat mode off without an event
--! threat mode is switched by a lead
{{threat}}
{{threat "active=0" "event=threat.seen" "at=" "now"}}

-- 4: turn threat mode off as a reviewer
--! threat mode is switched by a lead
{{threat}}
{{threat "active=0" "reviewer=2"}}

-- 4: turn threat mode off without a fresh second factor
--! threat mode is switched by a lead
{{threat}}
UPDATE session SET step_up_at = {{now}} - 300000001 WHERE reviewer_id = 1 AND ended_at IS NULL;
{{threat "active=0"}}

-- 4: turn threat mode off twice, to hide when
--! threat mode is switched by a lead
{{threat "active=0"}}

-- 4: turn threat mode off in front of the turn that stands
--! threat mode is switched by a lead
{{threat}}
{{stepup 1}}
{{threat "active=0" "id=0"}}

-- 4: overwrite the turn that stands
--! a turn of the threat switch
{{threat}}
UPDATE threat_turn SET at = at + 1;

-- 4: lift a freeze by updating it
--! a freeze is never changed
{{freeze}}
UPDATE account_freeze SET until = at;

-- 4: lift a freeze by deleting it
--! a freeze is never deleted
{{freeze}}
DELETE FROM account_freeze;

-- 4: lift a freeze as a reviewer
--! lifted by a lead or an admin
{{freeze}}
{{stepup 2}}
{{freeze "until=" "now" "event=account.unfrozen"}}

-- 4: lift a freeze without a fresh second factor
--! lifted by a lead or an admin
{{freeze}}
UPDATE session SET step_up_at = 0 WHERE reviewer_id = 1 AND ended_at IS NULL;
{{freeze "reviewer=1" "until=" "now" "event=account.unfrozen"}}

-- 4: shorten a freeze as a reviewer
--! lifted by a lead or an admin
{{freeze}}
{{stepup 2}}
{{freeze "until=" "now" " + 1"}}

-- 9: lift a freeze without an event
--! lifted by a lead or an admin
{{freeze}}
{{stepup 1}}
{{freeze "reviewer=1" "until=" "now"}}

-- 4: put a lifted freeze before the one that stands
--! lifted by a lead or an admin
{{freeze}}
{{stepup 1}}
{{freeze "id=0" "reviewer=1" "until=" "now" "event=account.unfrozen"}}

-- 4: close a case as a duplicate of itself
--! a duplicate names another case
{{event "case.duplicate" "open"}}
UPDATE reset_case SET state = 'duplicate', version = version + 1, duplicate_of = id, closed_at = {{now}}, closed_by = 'x' WHERE id = {{id "open"}};

-- 4: close a case as a duplicate of another account's
--! a duplicate names another case
{{event "case.duplicate" "open"}}
UPDATE reset_case SET state = 'duplicate', version = version + 1, duplicate_of = {{id "yes"}}, closed_at = {{now}}, closed_by = 'x' WHERE id = {{id "open"}};

-- 4: close a case as a duplicate of none
--! CHECK
{{event "case.duplicate" "open"}}
UPDATE reset_case SET state = 'duplicate', version = version + 1, closed_at = {{now}}, closed_by = 'x' WHERE id = {{id "open"}};

-- 3: give an account a domain that it always had
--! begins current
INSERT INTO account_domain (account_id, domain, source, since, until) VALUES ('A-1001', 'evil.example', 'x', 0, 1);

-- 3: put an older date to a domain
--! it only ends
INSERT INTO account_domain (account_id, domain, source, since) VALUES ('A-1001', 'evil.example', 'x', {{now}});
UPDATE account_domain SET since = 0;

-- 3: revive a domain that ended
--! it only ends
INSERT INTO account_domain (account_id, domain, source, since) VALUES ('A-1001', 'evil.example', 'x', {{now}});
UPDATE account_domain SET until = {{now}};
UPDATE account_domain SET until = NULL;

-- 3: delete a domain
--! a domain of an account is history: it is never deleted
INSERT INTO account_domain (account_id, domain, source, since) VALUES ('A-1001', 'evil.example', 'x', {{now}});
DELETE FROM account_domain;

-- 7: a bounce of a letter that never went out
--! only a letter that went out comes back
INSERT INTO bounce (letter_id, inbound_id, action, class, status, words, at)
    VALUES ((SELECT min(id) FROM letter WHERE state = 'queued' AND uncertain = 0), (SELECT min(id) FROM inbound), 'failed', 'unknown', '5.1.1', 'no', {{now}});

-- 7: say twice that a letter came back
--! UNIQUE constraint failed
INSERT INTO bounce (letter_id, inbound_id, action, class, status, words, at)
    SELECT (SELECT min(id) FROM letter WHERE state = 'sent'), id, 'failed', 'unknown', '5.1.1', 'no', {{now}} FROM inbound LIMIT 2;

-- 9: rewrite what was said of a letter
--! what was said of a letter is a record
INSERT INTO bounce (letter_id, inbound_id, action, class, status, words, at)
    VALUES ((SELECT min(id) FROM letter WHERE state = 'sent'), (SELECT min(id) FROM inbound), 'failed', 'unknown', '5.1.1', 'no', {{now}});
UPDATE bounce SET action = 'delivered';

-- 9: forget what was said of a letter
--! what was said of a letter is a record
INSERT INTO bounce (letter_id, inbound_id, action, class, status, words, at)
    VALUES ((SELECT min(id) FROM letter WHERE state = 'sent'), (SELECT min(id) FROM inbound), 'failed', 'unknown', '5.1.1', 'no', {{now}});
DELETE FROM bounce;

-- 7: call a letter sent that never came to its dot
--! a letter is sent only after its dot
UPDATE letter SET state = 'sent' WHERE state = 'queued' AND uncertain = 0;
-- 4: demote the last admin
--! the last admin stays
UPDATE reviewer SET role = 'viewer' WHERE id = 1;

-- 4: disable the last admin
--! the last admin stays
UPDATE reviewer SET disabled_at = {{now}} WHERE id = 1;

-- 4: disable the last admin who can sign in, beside one who was only invited
--! the last admin stays
INSERT INTO holder (id) VALUES ('staff:99');
INSERT INTO reviewer (id, holder_id, email, name, role, created_at) VALUES (99, 'staff:99', 'new@host.example', 'New', 'admin', {{now}});
UPDATE reviewer SET disabled_at = {{now}} WHERE id = 1;

-- 4: go on in the session of a reviewer who was disabled
--! an ended session stays ended
UPDATE reviewer SET disabled_at = {{now}} WHERE id = 2;
UPDATE session SET seen_at = {{now}} WHERE reviewer_id = 2;

-- 4: begin a session for a disabled reviewer
--! who is not disabled
UPDATE reviewer SET disabled_at = {{now}} WHERE id = 2;
INSERT INTO session (hash, reviewer_id, created_at, seen_at, expires_at, ip, agent, factor_at) VALUES (zeroblob(32), 2, {{now}}, {{now}}, {{now}} + 1, '', '', {{now}});

-- 4: begin a session without a second factor, but by single sign-on
--! CHECK
INSERT INTO session (hash, reviewer_id, created_at, seen_at, expires_at, ip, agent, factor_at) VALUES (zeroblob(32), 2, {{now}}, {{now}}, {{now}} + 1, '', '', 0);

-- 4: say of a session that came by single sign-on that its second factor was given
--! stays ended
INSERT INTO session (hash, reviewer_id, created_at, seen_at, expires_at, ip, agent, via, factor_at) VALUES (zeroblob(32), 2, {{now}}, {{now}}, {{now}} + 1, '', '', 'sso', 0);
UPDATE session SET factor_at = {{now}} WHERE hash = zeroblob(32);

-- 4: step up in a session whose second factor is owed
--! CHECK
INSERT INTO session (hash, reviewer_id, created_at, seen_at, expires_at, ip, agent, via, factor_at) VALUES (zeroblob(32), 2, {{now}}, {{now}}, {{now}} + 1, '', '', 'sso', 0);
UPDATE session SET step_up_at = {{now}} WHERE hash = zeroblob(32);

-- 4: let a session follow one that goes on
--! follows one that ended
INSERT INTO session (hash, reviewer_id, created_at, seen_at, expires_at, ip, agent, factor_at, follows)
    SELECT zeroblob(32), reviewer_id, created_at, seen_at, expires_at, ip, agent, factor_at, hash FROM session WHERE reviewer_id = 2 AND ended_at IS NULL LIMIT 1;

-- 4: bind a passkey to a second reviewer
--! of nobody else ever
{{passkey}}
{{passkey "id=2" "of=3"}}

-- 4: take over a passkey by overwriting it
--! of nobody else ever
{{passkey}}
{{passkey "id=2" "of=3" "or=OR REPLACE"}}

-- 4: hand a passkey on
--! a passkey stays what it is
{{passkey}}
UPDATE passkey SET reviewer_id = 3;

-- 4: set the counter of a passkey back, so that a copy passes
--! a passkey stays what it is
{{passkey}}
UPDATE passkey SET sign_count = 4;

-- 4: take a removed passkey up again
--! a passkey stays what it is
{{passkey}}
UPDATE passkey SET removed_at = {{now}};
UPDATE passkey SET removed_at = NULL;

-- 9: delete a passkey
--! a passkey is removed, never deleted
{{passkey}}
DELETE FROM passkey;

-- 4: answer a challenge twice
--! a challenge is answered once
{{passkey}}
INSERT INTO passkey_use (challenge, passkey_id, at) VALUES (zeroblob(32), 1, {{now}});
INSERT OR REPLACE INTO passkey_use (challenge, passkey_id, at) VALUES (zeroblob(32), 1, {{now}});

-- 4: answer with a passkey that was removed
--! a challenge is answered once
{{passkey}}
UPDATE passkey SET removed_at = {{now}};
INSERT INTO passkey_use (challenge, passkey_id, at) VALUES (zeroblob(32), 1, {{now}});

-- 4: make an answered challenge fresh
--! an answered challenge stays answered
{{passkey}}
INSERT INTO passkey_use (challenge, passkey_id, at) VALUES (zeroblob(32), 1, {{now}});
UPDATE passkey_use SET challenge = randomblob(32);

-- 4: forget an answered challenge
--! an answered challenge stays answered
{{passkey}}
INSERT INTO passkey_use (challenge, passkey_id, at) VALUES (zeroblob(32), 1, {{now}});
DELETE FROM passkey_use;

-- 4: bind an identity of single sign-on to another reviewer too
--! bound to one reviewer for good
INSERT INTO sso_identity VALUES ('https://id.example', 'sam', 2, {{now}});
INSERT OR REPLACE INTO sso_identity VALUES ('https://id.example', 'sam', 1, {{now}});

-- 4: hand an identity of single sign-on on
--! bound to one reviewer for good
INSERT INTO sso_identity VALUES ('https://id.example', 'sam', 2, {{now}});
UPDATE sso_identity SET reviewer_id = 1;

-- 4: free an identity of single sign-on
--! bound to one reviewer for good
INSERT INTO sso_identity VALUES ('https://id.example', 'sam', 2, {{now}});
DELETE FROM sso_identity;

-- 4: reset the factor of a reviewer with one admin alone
--! CHECK
{{ask}}
{{confirmed "by=1"}}

-- 4: confirm the reset of one's own factor
--! a second admin with a fresh second factor confirms
{{ask}}
{{confirmed "by=2"}}

-- 4: ask for the reset of one's own factor
--! CHECK
UPDATE reviewer SET role = 'admin' WHERE id = 2; {{stepup 2}}
{{ask "by=2" "actor=reviewer:2"}}

-- 4: ask for the reset of a reviewer's factor without being an admin
--! an admin with a fresh second factor asks
{{stepup 3}}
{{ask "by=3" "actor=reviewer:3"}}

-- 4: confirm the reset of a reviewer's factor without being an admin
--! a second admin with a fresh second factor confirms
{{ask}}
{{confirmed "role=lead"}}

-- 4: confirm the reset of a reviewer's factor without a step-up
--! a second admin with a fresh second factor confirms
{{ask}}
{{confirmed "step=0"}}

-- 4: confirm the reset of a reviewer's factor after more than a day
--! a second admin with a fresh second factor confirms
{{ask}}
{{confirmed "at=86400000001 + " "now" "step=86400000001 + " "now"}}

-- 4: take a confirmed reset of a reviewer's factor for another one
--! a second admin with a fresh second factor confirms
{{ask}}
{{confirmed}}
UPDATE staff_reset SET new_holder = NULL, confirmed_at = NULL;

-- 9: delete the reset of a reviewer's factor
--! a reset of a reviewer stays on record
{{ask}}
DELETE FROM staff_reset;

-- 4: give a reviewer another factor before the second admin confirmed
--! stays the same person
{{ask}}
INSERT INTO holder (id) VALUES ('staff:2:2');
UPDATE reviewer SET holder_id = 'staff:2:2' WHERE id = 2;

-- 4: go on in a session of before the reset of the reviewer's factor
--! an ended session stays ended
{{ask}}
{{confirmed}}
UPDATE reviewer SET holder_id = 'staff:2:2' WHERE id = 2;
UPDATE session SET seen_at = {{now}} WHERE reviewer_id = 2;

-- 3: a letter to a reviewer who need not know
--! a letter to a reviewer tells admins
{{staffevent "reviewer.reset" 2 "reviewer:1"}}
INSERT INTO letter (reviewer_id, topic, round, kind, recipient, message_id, subject, sealed, sha256, state, next_at, queued_at, changed_at)
    VALUES (3, 'audit:' || {{seq}}, 0, 'staff', 'vera@host.example', 'x', 's', X'00', zeroblob(32), 'queued', {{now}}, {{now}}, {{now}});

-- 3: a letter to a reviewer about something else
--! a letter to a reviewer tells admins
{{staffevent "reviewer.signed_in" 2 "reviewer:2"}}
INSERT INTO letter (reviewer_id, topic, round, kind, recipient, message_id, subject, sealed, sha256, state, next_at, queued_at, changed_at)
    VALUES (1, 'audit:' || {{seq}}, 0, 'staff', 'rita@host.example', 'x', 's', X'00', zeroblob(32), 'queued', {{now}}, {{now}}, {{now}});

-- 3: a letter to a reviewer at another address
--! FOREIGN KEY
{{staffevent "reviewer.reset" 2 "reviewer:1"}}
INSERT INTO letter (reviewer_id, topic, round, kind, recipient, message_id, subject, sealed, sha256, state, next_at, queued_at, changed_at)
    VALUES (1, 'audit:' || {{seq}}, 0, 'staff', 'mallory@evil.example', 'x', 's', X'00', zeroblob(32), 'queued', {{now}}, {{now}}, {{now}});

-- 4: reset a case that only who opened it by hand approved
--! recorded approvals and the owner's yes
{{event "case.cleared" "hand"}}
{{reset "hand"}}

-- 4: say that the policy lets one person decide, where it asks for two
--! recorded approvals and the owner's yes
{{event "case.decided_alone" "hand"}}
{{event "case.cleared" "hand"}}
{{reset "hand" "required=2"}}

-- 3: open a case by hand as a viewer
--! by hand an entitled reviewer opens a case
{{byHand "reviewer=3"}}

-- 3: open a case by hand with the session of a colleague
--! by hand an entitled reviewer opens a case
{{byHand "session=(SELECT max(hash) FROM session WHERE ended_at IS NULL AND reviewer_id = 1)"}}

-- 3: open a case by hand without a record
--! by hand an entitled reviewer opens a case
{{byHand "event=case.noted"}}

-- 4: open a case by hand in the name of somebody else
--! by hand an entitled reviewer opens a case
{{byHand "person='rita@host.example'"}}

-- 4: open a case by hand for one's own account
--! by hand an entitled reviewer opens a case
INSERT INTO address (account_id, role, address, lookup, skeleton, since, source) VALUES ('A-4004', 'notify', 'sam@host.example', 'sam@host.example', 'x', 1, 'test');
{{byHand}}

-- 3: open a case in two ways at once
--! CHECK constraint failed
INSERT INTO reset_case (number, state, requester, account_id, user_id, locale, opened_at, expires_at, watched_from, due_at, opener_hand, opener_request)
    VALUES ('RST-ZZZZZZ', 'open', 'dora@delta.example', 'A-4004', 'U-8', 'en', {{now}}, {{now}} + 1, {{now}}, {{now}}, 99, 1);

-- 4: make a case of a mail one that was opened by hand
--! keeps its identity
UPDATE reset_case SET opener_hand = 1 WHERE id = {{id "open"}};

-- 4: write down later that somebody else opened the case
--! what was written down is never changed
UPDATE hand_request SET reviewer_id = 2, person = 'sam@host.example';

-- 9: delete what was written down
--! what was written down is never deleted
DELETE FROM hand_request;

-- 3: send a test letter to a colleague
--! was asked for by the reviewer
{{staffEvent "letter.tested" 2 "reviewer:2"}}
INSERT INTO letter (reviewer_id, round, topic, kind, recipient, message_id, subject, sealed, sha256, state, next_at, queued_at, changed_at)
    SELECT 1, 0, 'audit:' || (SELECT max(seq) FROM audit), 'test', email, 't@host.example', 's', X'00', zeroblob(32), 'queued', {{now}}, {{now}}, {{now}} FROM reviewer WHERE id = 1;

-- 3: send a test letter to an address that is no reviewer's
--! FOREIGN KEY constraint failed
{{staffEvent "letter.tested" 2 "reviewer:2"}}
INSERT INTO letter (reviewer_id, round, topic, kind, recipient, message_id, subject, sealed, sha256, state, next_at, queued_at, changed_at)
    VALUES (2, 0, 'audit:' || (SELECT max(seq) FROM audit), 'test', 'eve@evil.example', 't@host.example', 's', X'00', zeroblob(32), 'queued', {{now}}, {{now}}, {{now}});

-- 3: mail the invitation of one person to another
--! invites that person
{{staffEvent "reviewer.invited" 2 "reviewer:1"}}
INSERT INTO invitation (hash, reviewer_id, created_at, expires_at) VALUES (randomblob(32), 2, {{now}}, {{now}} + 1);
INSERT INTO letter (reviewer_id, round, topic, kind, recipient, message_id, subject, sealed, sha256, state, next_at, queued_at, changed_at)
    SELECT 1, 0, 'audit:' || (SELECT max(seq) FROM audit), 'invitation', email, 'i@host.example', 's', X'00', zeroblob(32), 'queued', {{now}}, {{now}}, {{now}} FROM reviewer WHERE id = 1;

-- 3: mail an invitation to an address that is not the person's
--! FOREIGN KEY constraint failed
{{staffEvent "reviewer.invited" 2 "reviewer:1"}}
INSERT INTO invitation (hash, reviewer_id, created_at, expires_at) VALUES (randomblob(32), 2, {{now}}, {{now}} + 1);
INSERT INTO letter (reviewer_id, round, topic, kind, recipient, message_id, subject, sealed, sha256, state, next_at, queued_at, changed_at)
    VALUES (2, 0, 'audit:' || (SELECT max(seq) FROM audit), 'invitation', 'rita@host.example', 'i@host.example', 's', X'00', zeroblob(32), 'queued', {{now}}, {{now}}, {{now}});

-- 3: mail an invitation that lets nobody in
--! invites that person
{{staffEvent "reviewer.invited" 2 "reviewer:1"}}
INSERT INTO letter (reviewer_id, round, topic, kind, recipient, message_id, subject, sealed, sha256, state, next_at, queued_at, changed_at)
    SELECT 2, 0, 'audit:' || (SELECT max(seq) FROM audit), 'invitation', email, 'i@host.example', 's', X'00', zeroblob(32), 'queued', {{now}}, {{now}}, {{now}} FROM reviewer WHERE id = 2;
