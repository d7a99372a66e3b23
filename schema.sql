-- The schema of resetdesk, and the authority on its rules.
--
-- What must never happen is refused here, so that neither a bug nor a
-- hand-typed statement can do it: no second factor is cleared without recorded
-- human approval and the owner's yes, no case is decided twice, no user has two
-- open cases, and what was recorded stays recorded.
--
-- Conventions: times are UTC microseconds bound by the program; states are
-- words; flags are 0 or 1; tokens appear only as SHA-256; secrets appear only
-- sealed (AES-256-GCM, keys outside the database). Needs foreign_keys and
-- recursive_triggers ON (without the latter INSERT OR REPLACE deletes past the
-- triggers); review.Open reads both back.

CREATE TABLE meta (
    name  TEXT PRIMARY KEY CHECK (name IN ('schema_version', 'canary', 'mandatory')),
    value TEXT NOT NULL
) STRICT;

CREATE TRIGGER meta_kept BEFORE DELETE ON meta
BEGIN SELECT RAISE(ABORT, 'what a database says of itself is never deleted'); END;

---------------------------------------------------------------------------
-- totp: who holds second factors, and the factors
---------------------------------------------------------------------------

-- A holder is anyone with a second factor: a panel user under the panel's own
-- id, or one of our reviewers as 'staff:<n>'. generation counts resets; every
-- reset raises it by one, so that a retry for generation N never touches N+1.
-- failures are wrong codes in a row, which a right one ends; day_failures those
-- since day_from, twice where there are two authenticators to hit, which nothing
-- ends but the day, a reset or a person.
CREATE TABLE holder (
    id           TEXT PRIMARY KEY CHECK (id <> ''),
    api_only     INTEGER NOT NULL DEFAULT 0 CHECK (api_only IN (0, 1)),
    registered_at INTEGER NOT NULL DEFAULT 0,
    required_from INTEGER,                    -- a factor is mandatory from then; NULL: as the installation says
    generation   INTEGER NOT NULL DEFAULT 1 CHECK (generation >= 1),
    failures     INTEGER NOT NULL DEFAULT 0 CHECK (failures >= 0),
    day_failures INTEGER NOT NULL DEFAULT 0 CHECK (day_failures >= 0),
    day_from     INTEGER NOT NULL DEFAULT 0,
    locked_until INTEGER NOT NULL DEFAULT 0,
    verified_at  INTEGER NOT NULL DEFAULT 0,  -- last accepted code
    sessions_from INTEGER NOT NULL DEFAULT 0, -- panel sessions begun earlier are void
    hold_until   INTEGER NOT NULL DEFAULT 0,  -- sensitive acts are refused until then
    frozen_at    INTEGER                      -- set by an undo: no code is accepted
) STRICT;

CREATE TRIGGER holder_new BEFORE INSERT ON holder
WHEN NEW.generation <> 1 OR EXISTS (SELECT 1 FROM holder WHERE id = NEW.id)
BEGIN SELECT RAISE(ABORT, 'a holder begins once, at generation 1'); END;

CREATE TRIGGER holder_kept BEFORE DELETE ON holder
BEGIN SELECT RAISE(ABORT, 'a holder is never deleted'); END;

CREATE TRIGGER holder_generation BEFORE UPDATE OF id, generation ON holder
WHEN NEW.id <> OLD.id OR (NEW.generation <> OLD.generation AND (
    NEW.generation <> OLD.generation + 1
    OR NOT EXISTS (SELECT 1 FROM reset WHERE user_id = OLD.id AND generation = OLD.generation)))
BEGIN SELECT RAISE(ABORT, 'a generation rises by one, by an approved reset'); END;

-- hold_until and sessions_from belong to the reset: by them an undo knows whether
-- it may, and what was cleared.
CREATE TRIGGER holder_hold BEFORE UPDATE OF hold_until, sessions_from ON holder
WHEN NEW.generation = OLD.generation AND (NEW.hold_until <> OLD.hold_until OR NEW.sessions_from <> OLD.sessions_from)
    AND NOT (NEW.hold_until = 0 AND NEW.frozen_at IS NOT NULL AND EXISTS (
        SELECT 1 FROM reset r JOIN undo u ON u.reset_id = r.id WHERE r.user_id = OLD.id AND r.generation = OLD.generation - 1))
BEGIN SELECT RAISE(ABORT, 'a hold ends by itself or by an undo'); END;

-- What happened to a user's factors, from where: the history of all that was
-- ever bound (NIST SP 800-63B-4 4.1), and what the desk has yet to tell. The
-- events turned_off and device_removed are licences: without one nothing
-- retires. Each asks for a code that was accepted at that very time.
CREATE TABLE factor_event (
    id         INTEGER PRIMARY KEY,
    user_id    TEXT NOT NULL REFERENCES holder (id),
    generation INTEGER NOT NULL,
    at         INTEGER NOT NULL,
    kind       TEXT NOT NULL CHECK (kind IN ('enrolled', 'replaced', 'device_added', 'device_removed', 'turned_off',
        'codes_renewed', 'code_used', 'codes_low', 'code_repeated', 'locked', 'alarm', 'exempt')),
    ip         TEXT NOT NULL DEFAULT '',
    agent      TEXT NOT NULL DEFAULT '',
    detail     TEXT NOT NULL DEFAULT '',      -- a count, a device's name or a channel; never a code
    settled_at INTEGER                        -- the desk has taken it
) STRICT;

CREATE INDEX factor_event_waiting ON factor_event (id) WHERE settled_at IS NULL;
CREATE INDEX factor_event_of_user ON factor_event (user_id, at);

CREATE TRIGGER factor_event_new BEFORE INSERT ON factor_event
WHEN NEW.settled_at IS NOT NULL
    OR EXISTS (SELECT 1 FROM factor_event WHERE id = NEW.id)
    OR NEW.generation <> (SELECT generation FROM holder WHERE id = NEW.user_id)
BEGIN SELECT RAISE(ABORT, 'an event of a factor begins untold, in the current generation'); END;

CREATE TRIGGER factor_event_licence BEFORE INSERT ON factor_event
WHEN (NEW.kind = 'turned_off' OR NEW.kind = 'device_removed') AND NOT EXISTS (
    SELECT 1 FROM holder h JOIN credential c ON c.user_id = h.id AND c.state = 'active'
    WHERE h.id = NEW.user_id AND h.verified_at = NEW.at AND h.hold_until <= NEW.at AND h.frozen_at IS NULL
        AND NOT (NEW.kind = 'turned_off' AND h.id LIKE 'staff:%'))
BEGIN SELECT RAISE(ABORT, 'a factor is given up by a code accepted at that time, outside a hold'); END;

CREATE TRIGGER factor_event_fixed BEFORE UPDATE ON factor_event
WHEN NEW.id <> OLD.id OR NEW.user_id <> OLD.user_id OR NEW.generation <> OLD.generation OR NEW.at <> OLD.at
    OR NEW.kind <> OLD.kind OR NEW.ip <> OLD.ip OR NEW.agent <> OLD.agent OR NEW.detail <> OLD.detail
    OR OLD.settled_at IS NOT NULL OR NEW.settled_at IS NULL
BEGIN SELECT RAISE(ABORT, 'an event of a factor is settled once and never changed'); END;

CREATE TRIGGER factor_event_kept BEFORE DELETE ON factor_event
BEGIN SELECT RAISE(ABORT, 'an event of a factor is never deleted'); END;

-- A credential is one authenticator; a user has two at most. It ends by being
-- replaced by another active one, by a reset, or by the user's own word with a
-- right code; nothing else ends it, so nobody is left with the password alone
-- who did not choose so with the factor in hand.
CREATE TABLE credential (
    id           INTEGER PRIMARY KEY,
    user_id      TEXT NOT NULL REFERENCES holder (id),
    generation   INTEGER NOT NULL,
    state        TEXT NOT NULL CHECK (state IN ('pending', 'active', 'expired', 'replaced', 'cleared', 'revoked', 'retired')),
    label        TEXT NOT NULL DEFAULT '',
    name         TEXT NOT NULL DEFAULT '' CHECK (length(name) <= 60), -- of the device, for its user
    adds         INTEGER NOT NULL DEFAULT 0 CHECK (adds IN (0, 1)),   -- beside the active one, not in its place
    sealed       BLOB NOT NULL CHECK (length(sealed) > 28),
    fingerprint  BLOB NOT NULL UNIQUE,        -- keyed hash of the secret: the same secret never comes back
    algorithm    TEXT NOT NULL CHECK (algorithm IN ('SHA1', 'SHA256', 'SHA512')),
    digits       INTEGER NOT NULL CHECK (digits IN (6, 8)),
    period       INTEGER NOT NULL CHECK (period IN (30, 60)),
    last_step    INTEGER NOT NULL DEFAULT 0,  -- newest accepted time step, RFC 6238 5.2
    drift        INTEGER NOT NULL DEFAULT 0,  -- steps by which the clock of the device was seen to be fast,
    drift_step   INTEGER NOT NULL DEFAULT 0,  -- by the code of this step, which is never accepted
    misses       INTEGER NOT NULL DEFAULT 0 CHECK (misses >= 0 AND misses <= 20), -- wrong codes while pending
    pass_id      INTEGER REFERENCES enrollment_pass (id),
    created_at   INTEGER NOT NULL,
    expires_at   INTEGER NOT NULL,            -- of the pending enrollment
    activated_at INTEGER,
    ended_at     INTEGER,
    replaced_by  INTEGER REFERENCES credential (id),
    CHECK ((state IN ('pending', 'expired')) = (activated_at IS NULL)),
    CHECK ((state IN ('pending', 'active')) = (ended_at IS NULL)),
    CHECK ((state = 'replaced') = (replaced_by IS NOT NULL))
) STRICT;

CREATE UNIQUE INDEX credential_one_pending ON credential (user_id) WHERE state = 'pending';
CREATE INDEX credential_of_user ON credential (user_id, state);
CREATE INDEX credential_key ON credential (substr(sealed, 2, 4)); -- the id of the key that sealed it

CREATE TRIGGER credential_new BEFORE INSERT ON credential
WHEN NEW.state <> 'pending'
    OR NEW.generation <> (SELECT generation FROM holder WHERE id = NEW.user_id)
    OR EXISTS (SELECT 1 FROM credential WHERE id = NEW.id)
BEGIN SELECT RAISE(ABORT, 'a credential begins pending, in the current generation'); END;

CREATE TRIGGER credential_kept BEFORE DELETE ON credential
BEGIN SELECT RAISE(ABORT, 'a credential is never deleted'); END;

CREATE TRIGGER credential_fixed BEFORE UPDATE ON credential
WHEN NEW.id <> OLD.id OR NEW.user_id <> OLD.user_id OR NEW.generation <> OLD.generation
    OR NEW.fingerprint <> OLD.fingerprint OR NEW.algorithm <> OLD.algorithm
    OR NEW.digits <> OLD.digits OR NEW.period <> OLD.period
    OR NEW.created_at <> OLD.created_at OR NEW.expires_at <> OLD.expires_at OR NEW.last_step < OLD.last_step
    OR NEW.pass_id IS NOT OLD.pass_id OR NEW.adds <> OLD.adds OR NEW.misses < OLD.misses
    OR (NEW.state = OLD.state AND (NEW.ended_at IS NOT OLD.ended_at OR NEW.replaced_by IS NOT OLD.replaced_by))
    OR (OLD.activated_at IS NOT NULL AND NEW.activated_at IS NOT OLD.activated_at)
BEGIN SELECT RAISE(ABORT, 'a credential keeps its identity, and its time step never goes back'); END;

CREATE TRIGGER credential_state BEFORE UPDATE OF state ON credential
WHEN NEW.state <> OLD.state AND NOT (
    (OLD.state = 'pending' AND NEW.state IN ('active', 'expired'))
    OR (OLD.state = 'active' AND NEW.state IN ('replaced', 'cleared', 'revoked', 'retired'))
    OR (OLD.state = 'cleared' AND NEW.state = 'active'))
BEGIN SELECT RAISE(ABORT, 'a credential cannot change in this way'); END;

CREATE TRIGGER credential_two BEFORE UPDATE OF state ON credential
WHEN OLD.state <> 'active' AND NEW.state = 'active'
    AND (SELECT count(*) FROM credential WHERE user_id = OLD.user_id AND state = 'active') >= 2
BEGIN SELECT RAISE(ABORT, 'a user has two active credentials at most'); END;

-- After a reset the first new credential needs the enrollment pass, used by it,
-- unless the user enrolled since and then turned it off, with a code.
CREATE TRIGGER credential_activated BEFORE UPDATE OF state ON credential
WHEN OLD.state = 'pending' AND NEW.state = 'active' AND (
    OLD.generation <> (SELECT generation FROM holder WHERE id = OLD.user_id)
    OR (OLD.generation > 1
        AND NOT EXISTS (SELECT 1 FROM credential WHERE user_id = OLD.user_id AND state = 'active')
        AND NOT EXISTS (SELECT 1 FROM factor_event e JOIN credential c ON c.user_id = e.user_id AND c.state = 'retired' AND c.ended_at = e.at
            WHERE e.user_id = OLD.user_id AND e.generation = OLD.generation AND e.kind = 'turned_off')
        AND NOT EXISTS (SELECT 1 FROM enrollment_pass p WHERE p.id = OLD.pass_id AND p.user_id = OLD.user_id
            AND p.generation = OLD.generation AND p.used_by = OLD.id AND p.revoked_at IS NULL)))
BEGIN SELECT RAISE(ABORT, 'enrolling after a reset needs the enrollment pass'); END;

-- A newer one takes the place of all others in the moment in which it becomes
-- active. Where there are two, the younger makes room before that, in favour of
-- the older. Beside that only a code removes one of two.
CREATE TRIGGER credential_replaced BEFORE UPDATE OF state ON credential
WHEN OLD.state = 'active' AND NEW.state = 'replaced' AND NOT EXISTS (
    SELECT 1 FROM credential n WHERE n.id = NEW.replaced_by AND n.id <> OLD.id
        AND n.user_id = OLD.user_id AND n.state = 'active'
        AND ((n.id > OLD.id AND n.adds = 0 AND n.activated_at = NEW.ended_at)
            OR EXISTS (SELECT 1 FROM credential p WHERE p.user_id = OLD.user_id AND p.state = 'pending' AND p.adds = 0)))
BEGIN SELECT RAISE(ABORT, 'a credential is replaced only by another active one'); END;

CREATE TRIGGER credential_cleared BEFORE UPDATE OF state ON credential
WHEN OLD.state = 'active' AND NEW.state = 'cleared' AND NOT EXISTS (
    SELECT 1 FROM reset r WHERE r.user_id = OLD.user_id AND r.generation >= OLD.generation
        AND NOT EXISTS (SELECT 1 FROM undo WHERE reset_id = r.id))
BEGIN SELECT RAISE(ABORT, 'a second factor is cleared only by an approved reset'); END;

CREATE TRIGGER credential_restored BEFORE UPDATE OF state ON credential
WHEN OLD.state = 'cleared' AND NEW.state = 'active' AND NOT EXISTS (
    SELECT 1 FROM reset r JOIN undo u ON u.reset_id = r.id
    WHERE r.user_id = OLD.user_id AND OLD.ended_at >= r.cleared_at AND OLD.ended_at <= u.at)
BEGIN SELECT RAISE(ABORT, 'a cleared factor comes back only by an undo'); END;

CREATE TRIGGER credential_revoked BEFORE UPDATE OF state ON credential
WHEN OLD.state = 'active' AND NEW.state = 'revoked' AND NOT EXISTS (
    SELECT 1 FROM reset r JOIN undo u ON u.reset_id = r.id
    WHERE r.user_id = OLD.user_id AND r.generation < OLD.generation AND OLD.activated_at <= u.at)
BEGIN SELECT RAISE(ABORT, 'a factor enrolled after a reset is revoked only by its undo'); END;

CREATE TRIGGER credential_retired BEFORE UPDATE OF state ON credential
WHEN OLD.state = 'active' AND NEW.state = 'retired' AND NOT EXISTS (
    SELECT 1 FROM holder h JOIN factor_event e ON e.user_id = h.id AND e.at = NEW.ended_at AND e.generation = h.generation
    WHERE h.id = OLD.user_id AND h.verified_at = NEW.ended_at AND h.hold_until <= NEW.ended_at AND h.frozen_at IS NULL
        AND (e.kind = 'turned_off' OR (e.kind = 'device_removed' AND EXISTS (
            SELECT 1 FROM credential o WHERE o.user_id = OLD.user_id AND o.state = 'active' AND o.id <> OLD.id))))
BEGIN SELECT RAISE(ABORT, 'a credential retires by its user''s word and code, the last one by turning off'); END;

-- Backup codes: one live set a user; each code works once.
CREATE TABLE backup_set (
    id         INTEGER PRIMARY KEY,
    user_id    TEXT NOT NULL REFERENCES holder (id),
    generation INTEGER NOT NULL,
    salt       BLOB NOT NULL CHECK (length(salt) >= 16),
    state      TEXT NOT NULL CHECK (state IN ('active', 'replaced', 'cleared', 'revoked', 'retired')),
    created_at INTEGER NOT NULL,
    ended_at   INTEGER,
    CHECK ((state = 'active') = (ended_at IS NULL))
) STRICT;

CREATE INDEX backup_set_of_user ON backup_set (user_id, state);
CREATE UNIQUE INDEX backup_set_one_active ON backup_set (user_id) WHERE state = 'active';

CREATE TRIGGER backup_set_new BEFORE INSERT ON backup_set
WHEN NEW.state <> 'active'
    OR NEW.generation <> (SELECT generation FROM holder WHERE id = NEW.user_id)
    OR NOT EXISTS (SELECT 1 FROM credential WHERE user_id = NEW.user_id AND state = 'active')
    OR EXISTS (SELECT 1 FROM backup_set WHERE id = NEW.id)
BEGIN SELECT RAISE(ABORT, 'backup codes come beside an active factor'); END;

CREATE TRIGGER backup_set_kept BEFORE DELETE ON backup_set
BEGIN SELECT RAISE(ABORT, 'a set of backup codes is never deleted'); END;

CREATE TRIGGER backup_set_state BEFORE UPDATE ON backup_set
WHEN NEW.id <> OLD.id OR NEW.user_id <> OLD.user_id OR NEW.generation <> OLD.generation OR NEW.salt <> OLD.salt
    OR NEW.created_at <> OLD.created_at
    OR NOT ((NEW.state = OLD.state AND NEW.ended_at IS OLD.ended_at)
        OR (OLD.state = 'active' AND NEW.state = 'replaced' AND EXISTS (
            SELECT 1 FROM factor_event e WHERE e.user_id = OLD.user_id AND e.at = NEW.ended_at
                AND e.kind IN ('replaced', 'codes_renewed')))
        OR (OLD.state = 'active' AND NEW.state = 'cleared' AND EXISTS (
            SELECT 1 FROM reset r WHERE r.user_id = OLD.user_id AND r.generation >= OLD.generation
                AND NOT EXISTS (SELECT 1 FROM undo WHERE reset_id = r.id)))
        OR (OLD.state = 'cleared' AND NEW.state = 'active' AND EXISTS (
            SELECT 1 FROM reset r JOIN undo u ON u.reset_id = r.id
            WHERE r.user_id = OLD.user_id AND OLD.ended_at >= r.cleared_at AND OLD.ended_at <= u.at))
        OR (OLD.state = 'active' AND NEW.state = 'revoked' AND EXISTS (
            SELECT 1 FROM reset r JOIN undo u ON u.reset_id = r.id
            WHERE r.user_id = OLD.user_id AND r.generation < OLD.generation AND OLD.created_at <= u.at))
        OR (OLD.state = 'active' AND NEW.state = 'retired' AND EXISTS (
            SELECT 1 FROM holder h JOIN factor_event e ON e.user_id = h.id AND e.at = NEW.ended_at AND e.generation = h.generation
            WHERE h.id = OLD.user_id AND h.verified_at = NEW.ended_at AND h.hold_until <= NEW.ended_at AND h.frozen_at IS NULL
                AND e.kind = 'turned_off')))
BEGIN SELECT RAISE(ABORT, 'backup codes are cleared only by an approved reset'); END;

CREATE TABLE backup_code (
    set_id  INTEGER NOT NULL REFERENCES backup_set (id),
    hash    BLOB NOT NULL CHECK (length(hash) = 32), -- HMAC-SHA-256, key outside the database
    used_at INTEGER,
    PRIMARY KEY (set_id, hash)
) STRICT;

-- How many are left is said at every login.
CREATE INDEX backup_code_unused ON backup_code (set_id) WHERE used_at IS NULL;

CREATE TRIGGER backup_code_new BEFORE INSERT ON backup_code
WHEN NEW.used_at IS NOT NULL
    OR NOT EXISTS (SELECT 1 FROM backup_set WHERE id = NEW.set_id AND state = 'active')
    OR (SELECT count(*) FROM backup_code WHERE set_id = NEW.set_id) >= 10
BEGIN SELECT RAISE(ABORT, 'a set holds ten unused backup codes'); END;

CREATE TRIGGER backup_code_used BEFORE UPDATE ON backup_code
WHEN NEW.set_id <> OLD.set_id OR NEW.hash <> OLD.hash OR OLD.used_at IS NOT NULL OR NEW.used_at IS NULL
BEGIN SELECT RAISE(ABORT, 'a backup code works once'); END;

CREATE TRIGGER backup_code_kept BEFORE DELETE ON backup_code
BEGIN SELECT RAISE(ABORT, 'a backup code is never deleted'); END;

-- The enrollment pass: mailed to the user after a reset; with the password it
-- allows one enrollment. generation is the new one.
CREATE TABLE enrollment_pass (
    id         INTEGER PRIMARY KEY,
    user_id    TEXT NOT NULL REFERENCES holder (id),
    generation INTEGER NOT NULL,
    reset_id   INTEGER NOT NULL REFERENCES reset (id),
    hash       BLOB NOT NULL UNIQUE CHECK (length(hash) = 32),
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL CHECK (expires_at > created_at AND expires_at <= created_at + 172800000000),
    used_at    INTEGER,
    used_by    INTEGER REFERENCES credential (id),
    revoked_at INTEGER,
    CHECK ((used_at IS NULL) = (used_by IS NULL))
) STRICT;

CREATE INDEX enrollment_pass_of_reset ON enrollment_pass (reset_id);
CREATE UNIQUE INDEX enrollment_pass_one_live ON enrollment_pass (user_id) WHERE used_at IS NULL AND revoked_at IS NULL;

CREATE TRIGGER enrollment_pass_new BEFORE INSERT ON enrollment_pass
WHEN NEW.used_at IS NOT NULL OR NEW.revoked_at IS NOT NULL
    OR NOT EXISTS (SELECT 1 FROM reset WHERE id = NEW.reset_id AND user_id = NEW.user_id AND generation = NEW.generation - 1)
    OR EXISTS (SELECT 1 FROM undo WHERE reset_id = NEW.reset_id)
    OR EXISTS (SELECT 1 FROM enrollment_pass WHERE id = NEW.id)
BEGIN SELECT RAISE(ABORT, 'an enrollment pass comes from an approved reset'); END;

CREATE TRIGGER enrollment_pass_fixed BEFORE UPDATE ON enrollment_pass
WHEN NEW.id <> OLD.id OR NEW.user_id <> OLD.user_id OR NEW.generation <> OLD.generation OR NEW.reset_id <> OLD.reset_id
    OR NEW.hash <> OLD.hash OR NEW.created_at <> OLD.created_at OR NEW.expires_at <> OLD.expires_at
    OR (OLD.used_at IS NOT NULL AND (NEW.used_at IS NOT OLD.used_at OR NEW.used_by IS NOT OLD.used_by))
    OR (OLD.revoked_at IS NOT NULL AND (NEW.revoked_at IS NOT OLD.revoked_at OR NEW.used_at IS NOT OLD.used_at))
    OR (NEW.used_at IS NOT NULL AND OLD.used_at IS NULL AND NEW.used_at > OLD.expires_at)
BEGIN SELECT RAISE(ABORT, 'an enrollment pass is used once, before it expires'); END;

CREATE TRIGGER enrollment_pass_kept BEFORE DELETE ON enrollment_pass
BEGIN SELECT RAISE(ABORT, 'an enrollment pass is never deleted'); END;

---------------------------------------------------------------------------
-- Accounts, users, addresses
---------------------------------------------------------------------------

CREATE TABLE account (
    id         TEXT PRIMARY KEY CHECK (id <> ''),
    name       TEXT NOT NULL,
    locale     TEXT NOT NULL,
    required_from INTEGER,     -- a factor is mandatory from then; NULL: as the installation says
    created_at INTEGER NOT NULL,
    removed_at INTEGER
) STRICT;

-- The age of an account tells its first addresses from changed ones.
CREATE TRIGGER account_fixed BEFORE UPDATE ON account
WHEN NEW.id <> OLD.id OR NEW.created_at <> OLD.created_at
BEGIN SELECT RAISE(ABORT, 'an account keeps its beginning'); END;
CREATE TRIGGER account_kept BEFORE DELETE ON account
BEGIN SELECT RAISE(ABORT, 'an account keeps its beginning'); END;

CREATE TABLE panel_user (
    id         TEXT PRIMARY KEY REFERENCES holder (id) CHECK (id NOT LIKE 'staff:%'),
    account_id TEXT NOT NULL REFERENCES account (id),
    login      TEXT NOT NULL,
    full_name  TEXT NOT NULL DEFAULT '',
    role       TEXT NOT NULL CHECK (role IN ('admin', 'user')),
    remind_at  INTEGER DEFAULT 0, -- when to see whether a reminder to enroll is due; NULL: no more
    created_at INTEGER NOT NULL,
    removed_at INTEGER
) STRICT;

CREATE INDEX panel_user_of_account ON panel_user (account_id);
CREATE INDEX panel_user_to_remind ON panel_user (remind_at, id) WHERE remind_at IS NOT NULL AND removed_at IS NULL;

CREATE TRIGGER panel_user_new BEFORE INSERT ON panel_user
WHEN (SELECT required_from FROM account WHERE id = NEW.account_id) IS NOT (SELECT required_from FROM holder WHERE id = NEW.id)
BEGIN SELECT RAISE(ABORT, 'a user has the date of the account'); END;

-- Whose admins may ask for a user is decided once.
CREATE TRIGGER panel_user_fixed BEFORE UPDATE ON panel_user
WHEN NEW.id <> OLD.id OR NEW.account_id <> OLD.account_id
BEGIN SELECT RAISE(ABORT, 'a user stays in the account'); END;
CREATE TRIGGER panel_user_kept BEFORE DELETE ON panel_user
BEGIN SELECT RAISE(ABORT, 'a user stays in the account'); END;

-- Every address an account ever had. Mail goes out only to rows of this table.
-- admin: registered, may ask for a reset. notify: told, may object. user: the
-- own address of a user who is no admin.
CREATE TABLE address (
    id         INTEGER PRIMARY KEY,
    account_id TEXT NOT NULL REFERENCES account (id),
    user_id    TEXT REFERENCES panel_user (id),
    role       TEXT NOT NULL CHECK (role IN ('admin', 'notify', 'user')),
    address    TEXT NOT NULL CHECK (address LIKE '%_@_%'),
    lookup     TEXT NOT NULL CHECK (lookup = lower(address)),
    skeleton   TEXT NOT NULL,  -- confusable form of the domain, sender-verification 3.3
    source     TEXT NOT NULL,
    since      INTEGER NOT NULL,
    until      INTEGER,        -- NULL: current
    UNIQUE (id, address),
    CHECK ((role = 'notify') = (user_id IS NULL)),
    CHECK (until IS NULL OR until >= since)
) STRICT;

CREATE UNIQUE INDEX address_current ON address (account_id, lookup, coalesce(user_id, '')) WHERE until IS NULL;
CREATE INDEX address_of_account ON address (account_id, lookup);
CREATE INDEX address_of_user ON address (user_id) WHERE user_id IS NOT NULL;
CREATE INDEX address_by_lookup ON address (lookup) WHERE until IS NULL;
CREATE INDEX address_by_skeleton ON address (skeleton) WHERE until IS NULL;

CREATE TRIGGER address_fixed BEFORE UPDATE ON address
WHEN NEW.id <> OLD.id OR NEW.account_id <> OLD.account_id OR NEW.user_id IS NOT OLD.user_id
    OR NEW.role <> OLD.role OR NEW.address <> OLD.address OR NEW.since <> OLD.since
    OR (OLD.until IS NOT NULL AND NEW.until IS NOT OLD.until)
BEGIN SELECT RAISE(ABORT, 'an address is history: it only ends'); END;

CREATE TRIGGER address_kept BEFORE DELETE ON address
BEGIN SELECT RAISE(ABORT, 'an address is history: it is never deleted'); END;

-- The domains that an account holds, as the panel says: who can publish a record on
-- one controls it, and a registered address on one proves little.
CREATE TABLE account_domain (
    id         INTEGER PRIMARY KEY,
    account_id TEXT NOT NULL REFERENCES account (id),
    domain     TEXT NOT NULL CHECK (domain = lower(domain) AND domain LIKE '%_._%'),
    source     TEXT NOT NULL,
    since      INTEGER NOT NULL,
    until      INTEGER CHECK (until >= since) -- NULL: current
) STRICT;

CREATE UNIQUE INDEX account_domain_current ON account_domain (account_id, domain) WHERE until IS NULL;

CREATE TRIGGER account_domain_new BEFORE INSERT ON account_domain
WHEN NEW.until IS NOT NULL OR EXISTS (SELECT 1 FROM account_domain WHERE id = NEW.id)
BEGIN SELECT RAISE(ABORT, 'a domain of an account is history: it begins current'); END;
CREATE TRIGGER account_domain_fixed BEFORE UPDATE ON account_domain
WHEN NEW.id <> OLD.id OR NEW.account_id <> OLD.account_id OR NEW.domain <> OLD.domain OR NEW.source <> OLD.source OR NEW.since <> OLD.since
    OR OLD.until IS NOT NULL
BEGIN SELECT RAISE(ABORT, 'a domain of an account is history: it only ends'); END;
CREATE TRIGGER account_domain_kept BEFORE DELETE ON account_domain
BEGIN SELECT RAISE(ABORT, 'a domain of an account is history: it is never deleted'); END;

---------------------------------------------------------------------------
-- Inbound mail
---------------------------------------------------------------------------

-- The last committed position of each watched folder.
CREATE TABLE cursor (
    mailbox     TEXT NOT NULL,
    folder      TEXT NOT NULL,
    uidvalidity INTEGER NOT NULL CHECK (uidvalidity > 0),
    uid         INTEGER NOT NULL CHECK (uid >= 0),
    backlog     INTEGER NOT NULL,  -- mails up to this UID were there before the first look
    moved_at    INTEGER NOT NULL,
    looked_at   INTEGER NOT NULL DEFAULT 0, -- when everything in it was last seen to be received
    PRIMARY KEY (mailbox, folder)
) STRICT;

CREATE TRIGGER cursor_forward BEFORE UPDATE ON cursor
WHEN NEW.mailbox <> OLD.mailbox OR NEW.folder <> OLD.folder OR (NEW.uidvalidity = OLD.uidvalidity AND NEW.uid < OLD.uid)
BEGIN SELECT RAISE(ABORT, 'a cursor never goes back'); END;

-- Without its cursor a folder looks new, and all mail in it like backlog.
CREATE TRIGGER cursor_kept BEFORE DELETE ON cursor
BEGIN SELECT RAISE(ABORT, 'a cursor is never deleted'); END;

-- Every mail of the watched folders, by the identity that IMAP gives it, with
-- exactly one fate. fate is NULL from the commit of its bytes to its assessment.
-- Two fates may still change: a parked mail becomes a case when a person says so,
-- and an unfetchable one is read after all when the server hands it out later.
CREATE TABLE inbound (
    id            INTEGER PRIMARY KEY,
    mailbox       TEXT NOT NULL,
    folder        TEXT NOT NULL,
    uidvalidity   INTEGER NOT NULL,
    uid           INTEGER NOT NULL,
    internal_date INTEGER NOT NULL,
    received_at   INTEGER NOT NULL,
    size          INTEGER NOT NULL,
    header        BLOB,                -- the fields read in the header pass
    raw           BLOB,                -- whole, or the first part if truncated
    truncated     INTEGER NOT NULL DEFAULT 0 CHECK (truncated IN (0, 1)),
    backlog       INTEGER NOT NULL DEFAULT 0 CHECK (backlog IN (0, 1)),
    sha256        BLOB,                -- of raw
    fate          TEXT CHECK (fate IN ('case', 'attached', 'parked', 'automatic', 'quarantined', 'unfetchable', 'passed')),
    reason        TEXT NOT NULL DEFAULT '',
    fated_at      INTEGER,
    attempts      INTEGER NOT NULL DEFAULT 0,
    retry_at      INTEGER NOT NULL DEFAULT 0, -- deferred verdicts are looked at again then
    reuse         INTEGER NOT NULL DEFAULT 0, -- mails that had this uid before, against RFC 9051 2.3.1.1
    UNIQUE (mailbox, folder, uidvalidity, uid, reuse),
    CHECK ((fate IS NULL) = (fated_at IS NULL)),
    CHECK (fate IS NULL OR reason <> '')
) STRICT;

CREATE INDEX inbound_waiting ON inbound (retry_at, id) WHERE fate IS NULL;
CREATE INDEX inbound_by_fate ON inbound (fate, id);
CREATE INDEX inbound_by_hash ON inbound (sha256) WHERE sha256 IS NOT NULL;
CREATE INDEX inbound_backlog ON inbound (fate, id) WHERE backlog = 1;
CREATE INDEX inbound_by_day ON inbound (received_at, mailbox, folder, fate); -- the report counts here and reads no row

CREATE TRIGGER inbound_new BEFORE INSERT ON inbound
WHEN NEW.fate NOT IN ('passed', 'unfetchable')
BEGIN SELECT RAISE(ABORT, 'a mail begins without a fate, or is none of our business'); END;

CREATE TRIGGER inbound_reused BEFORE INSERT ON inbound
WHEN NEW.reuse <> 0 AND NOT EXISTS (SELECT 1 FROM inbound WHERE mailbox = NEW.mailbox AND folder = NEW.folder
    AND uidvalidity = NEW.uidvalidity AND uid = NEW.uid AND reuse = NEW.reuse - 1)
BEGIN SELECT RAISE(ABORT, 'a uid is used again after it was used'); END;

-- The bytes may be forgotten when the mail has its fate and no open case.
CREATE TRIGGER inbound_fixed BEFORE UPDATE ON inbound
WHEN NEW.id <> OLD.id OR NEW.mailbox <> OLD.mailbox OR NEW.folder <> OLD.folder
    OR NEW.uidvalidity <> OLD.uidvalidity OR NEW.uid <> OLD.uid OR NEW.reuse <> OLD.reuse
    OR NEW.received_at <> OLD.received_at OR NEW.internal_date <> OLD.internal_date OR NEW.backlog <> OLD.backlog
    OR (NEW.raw IS NOT NULL AND NEW.raw IS NOT OLD.raw AND OLD.fate IS NOT 'unfetchable')
    OR (NEW.sha256 IS NOT OLD.sha256 AND OLD.fate IS NOT 'unfetchable')
    OR (NEW.raw IS NULL AND OLD.raw IS NOT NULL AND (OLD.fate IS NULL OR EXISTS (
        SELECT 1 FROM case_mail m JOIN reset_case c ON c.id = m.case_id WHERE m.inbound_id = OLD.id AND c.closed_at IS NULL)))
BEGIN SELECT RAISE(ABORT, 'a mail keeps its identity and its bytes'); END;

CREATE TRIGGER inbound_fate BEFORE UPDATE OF fate, reason ON inbound
WHEN (OLD.fate IS NOT NULL AND NEW.fate IS NOT OLD.fate
        AND NOT (OLD.fate = 'parked' AND NEW.fate IS NOT NULL AND NEW.fate IN ('case', 'attached'))
        AND NOT (OLD.fate = 'unfetchable' AND OLD.raw IS NULL))
    OR (OLD.fate IS NOT NULL AND NEW.fate IS OLD.fate AND NEW.reason <> OLD.reason)
    OR (NEW.fate IN ('case', 'attached') AND NOT EXISTS (SELECT 1 FROM case_mail WHERE inbound_id = OLD.id))
BEGIN SELECT RAISE(ABORT, 'a mail has one fate'); END;

CREATE TRIGGER inbound_kept BEFORE DELETE ON inbound
BEGIN SELECT RAISE(ABORT, 'a mail is never deleted'); END;

-- The other side of the books: how many mails were taken in on each day (UTC, days
-- since 1970). The schema counts when a row is inserted, and nothing ever counts
-- down, so that the sum of fates can be held against it (design 2, promise 1).
CREATE TABLE mail_tally (
    mailbox  TEXT NOT NULL,
    folder   TEXT NOT NULL,
    day      INTEGER NOT NULL CONSTRAINT mail_tally_day CHECK (day > 0),
    received INTEGER NOT NULL,
    PRIMARY KEY (day, mailbox, folder)
) STRICT;

-- A mail that is known already is an update, and is not counted again.
CREATE TRIGGER inbound_tallied AFTER INSERT ON inbound
BEGIN
    INSERT INTO mail_tally (mailbox, folder, day, received) VALUES (NEW.mailbox, NEW.folder, NEW.received_at / 86400000000, 1)
    ON CONFLICT (day, mailbox, folder) DO UPDATE SET received = received + 1;
END;

-- How many mails have which fate at present; '' is none yet. The schema keeps it
-- with every change of a fate, so that a monitor may ask as often as it likes; the
-- report counts the mails themselves, and both must agree.
CREATE TABLE fate_tally (
    mailbox TEXT NOT NULL,
    folder  TEXT NOT NULL,
    fate    TEXT NOT NULL,
    mails   INTEGER NOT NULL CONSTRAINT fate_tally_mails CHECK (mails >= 0),
    PRIMARY KEY (mailbox, folder, fate)
) STRICT;

CREATE TRIGGER inbound_fate_new AFTER INSERT ON inbound
BEGIN
    INSERT INTO fate_tally (mailbox, folder, fate, mails) VALUES (NEW.mailbox, NEW.folder, coalesce(NEW.fate, ''), 1)
    ON CONFLICT (mailbox, folder, fate) DO UPDATE SET mails = mails + 1;
END;
CREATE TRIGGER inbound_fate_moved AFTER UPDATE OF fate ON inbound
WHEN NEW.fate IS NOT OLD.fate
BEGIN
    UPDATE fate_tally SET mails = mails - 1 WHERE mailbox = OLD.mailbox AND folder = OLD.folder AND fate = coalesce(OLD.fate, '');
    INSERT INTO fate_tally (mailbox, folder, fate, mails) VALUES (NEW.mailbox, NEW.folder, coalesce(NEW.fate, ''), 1)
    ON CONFLICT (mailbox, folder, fate) DO UPDATE SET mails = mails + 1;
END;
CREATE TRIGGER fate_tally_counts BEFORE UPDATE ON fate_tally
WHEN NEW.mailbox <> OLD.mailbox OR NEW.folder <> OLD.folder OR NEW.fate <> OLD.fate OR abs(NEW.mails - OLD.mails) <> 1
BEGIN SELECT RAISE(ABORT, 'a tally counts one by one'); END;
CREATE TRIGGER fate_tally_kept BEFORE DELETE ON fate_tally
BEGIN SELECT RAISE(ABORT, 'a tally is never deleted'); END;

CREATE TRIGGER mail_tally_new BEFORE INSERT ON mail_tally
WHEN NEW.received <> 1
BEGIN SELECT RAISE(ABORT, 'a tally begins with one'); END;
CREATE TRIGGER mail_tally_counts BEFORE UPDATE ON mail_tally
WHEN NEW.mailbox <> OLD.mailbox OR NEW.folder <> OLD.folder OR NEW.day <> OLD.day OR NEW.received <> OLD.received + 1
BEGIN SELECT RAISE(ABORT, 'a tally counts on, one by one'); END;
CREATE TRIGGER mail_tally_kept BEFORE DELETE ON mail_tally
BEGIN SELECT RAISE(ABORT, 'a tally is never deleted'); END;

-- What was found out about a mail: the verdict of mailbox/sender and the
-- reading of review/intent, with all evidence as JSON.
CREATE TABLE assessment (
    inbound_id  INTEGER PRIMARY KEY REFERENCES inbound (id),
    verdict     TEXT NOT NULL CHECK (verdict IN ('authenticated', 'partial', 'unverified', 'deferred', 'automated', 'quarantine')),
    match       TEXT NOT NULL CHECK (match IN ('exact', 'case_variant', 'lookalike', 'none')),
    from_addr   TEXT NOT NULL,
    claimed     TEXT NOT NULL,  -- the registered address it is, or imitates; '' if none
    message_id  TEXT NOT NULL,
    subject     TEXT NOT NULL,
    excerpt     TEXT NOT NULL,
    request     INTEGER NOT NULL CHECK (request IN (0, 1)),
    score       REAL NOT NULL,
    language    TEXT NOT NULL,
    evidence    TEXT NOT NULL,
    assessed_at INTEGER NOT NULL
) STRICT;

CREATE INDEX assessment_by_claim ON assessment (claimed, assessed_at) WHERE claimed <> '';
CREATE INDEX assessment_of_imitations ON assessment (assessed_at) WHERE match = 'lookalike';
CREATE INDEX assessment_by_message ON assessment (message_id) WHERE message_id <> '';

CREATE TRIGGER assessment_fixed BEFORE UPDATE ON assessment
BEGIN SELECT RAISE(ABORT, 'an assessment is never changed'); END;
CREATE TRIGGER assessment_kept BEFORE DELETE ON assessment
BEGIN SELECT RAISE(ABORT, 'an assessment is never deleted'); END;

-- Signatures seen before, by (d, s, b-hash): a second mail with one is a replay.
CREATE TABLE signature_seen (
    fingerprint TEXT PRIMARY KEY,
    inbound_id  INTEGER NOT NULL REFERENCES inbound (id)
) STRICT;

CREATE TRIGGER signature_seen_fixed BEFORE UPDATE ON signature_seen
WHEN NEW.fingerprint <> OLD.fingerprint OR NEW.inbound_id <> OLD.inbound_id
BEGIN SELECT RAISE(ABORT, 'a signature that was seen stays seen'); END;
CREATE TRIGGER signature_seen_kept BEFORE DELETE ON signature_seen
BEGIN SELECT RAISE(ABORT, 'a signature that was seen stays seen'); END;

---------------------------------------------------------------------------
-- Audit: append-only, hash-chained
---------------------------------------------------------------------------

CREATE TABLE audit (
    seq    INTEGER PRIMARY KEY,
    at     INTEGER NOT NULL,
    actor  TEXT NOT NULL,   -- 'reviewer:<n>', 'api:<n>', 'owner', 'desk', 'clock', 'host'
    action TEXT NOT NULL,
    object TEXT NOT NULL,   -- case number, user id, …
    detail TEXT NOT NULL,   -- JSON, no secrets
    prev   BLOB NOT NULL CHECK (length(prev) = 32),
    hash   BLOB NOT NULL UNIQUE CHECK (length(hash) = 32),
    ip      TEXT NOT NULL DEFAULT '',  -- where the actor was, '' if nowhere
    request TEXT NOT NULL DEFAULT ''   -- which request of a page or program it was
) STRICT;

CREATE INDEX audit_by_object ON audit (object, seq);
CREATE INDEX audit_by_actor ON audit (actor, seq);
CREATE INDEX audit_by_action ON audit (action, seq);

CREATE TRIGGER audit_chain BEFORE INSERT ON audit
WHEN NEW.seq IS NOT (SELECT coalesce(max(seq), 0) + 1 FROM audit)
    OR NEW.prev IS NOT coalesce((SELECT hash FROM audit ORDER BY seq DESC LIMIT 1),
        X'0000000000000000000000000000000000000000000000000000000000000000')
BEGIN SELECT RAISE(ABORT, 'an audit event follows the last one'); END;

CREATE TRIGGER audit_fixed BEFORE UPDATE ON audit
BEGIN SELECT RAISE(ABORT, 'an audit event is never changed'); END;
CREATE TRIGGER audit_kept BEFORE DELETE ON audit
BEGIN SELECT RAISE(ABORT, 'an audit event is never deleted'); END;

-- The Merkle tree over the hashes of the audit (RFC 6962), in the order in which
-- golang.org/x/mod/sumdb/tlog stores one. It follows the audit at some distance
-- and can be computed from it anew; a signed head says what it must be.
CREATE TABLE audit_node (
    id   INTEGER PRIMARY KEY,
    hash BLOB NOT NULL CHECK (length(hash) = 32)
) STRICT;

CREATE TRIGGER audit_node_new BEFORE INSERT ON audit_node
WHEN NEW.id IS NOT (SELECT coalesce(max(id), -1) + 1 FROM audit_node)
BEGIN SELECT RAISE(ABORT, 'a node follows the last one'); END;
CREATE TRIGGER audit_node_fixed BEFORE UPDATE ON audit_node
BEGIN SELECT RAISE(ABORT, 'a node is never changed'); END;
CREATE TRIGGER audit_node_kept BEFORE DELETE ON audit_node
BEGIN SELECT RAISE(ABORT, 'a node is never deleted'); END;

---------------------------------------------------------------------------
-- People of the desk
---------------------------------------------------------------------------

-- The second factor is that of the holder; a reset of it gives the reviewer
-- another holder, see staff_reset. Who is disabled is out at once.
CREATE TABLE reviewer (
    id           INTEGER PRIMARY KEY,
    holder_id    TEXT NOT NULL UNIQUE REFERENCES holder (id) CHECK (holder_id LIKE 'staff:%'),
    email        TEXT NOT NULL UNIQUE CHECK (email = lower(email)),
    name         TEXT NOT NULL,
    role         TEXT NOT NULL CHECK (role IN ('viewer', 'reviewer', 'lead', 'admin', 'auditor')),
    password     TEXT,             -- argon2id, PHC string; NULL until the invitation is accepted
    failures     INTEGER NOT NULL DEFAULT 0,
    locked_until INTEGER NOT NULL DEFAULT 0,
    created_at   INTEGER NOT NULL,
    disabled_at  INTEGER,
    barred_at    INTEGER,          -- the groups of single sign-on gave no role any more; when they do, they may enable
    handle       BLOB UNIQUE CHECK (length(handle) = 32), -- what passkeys know the person by: chance, and no address (WebAuthn 5.4.3)
    told_seq     INTEGER NOT NULL DEFAULT 0, -- resets of reviewers up to this audit event were told at a sign-in
    keys         INTEGER NOT NULL DEFAULT 1 CHECK (keys IN (0, 1)), -- single keys are shortcuts (WCAG 2.1.4)
    utc          INTEGER NOT NULL DEFAULT 0 CHECK (utc IN (0, 1)),  -- pages show times in UTC, not in the browser's zone
    CHECK (barred_at IS NULL OR disabled_at IS NOT NULL),
    UNIQUE (id, email)
) STRICT;

CREATE TRIGGER reviewer_fixed BEFORE UPDATE ON reviewer
WHEN NEW.id <> OLD.id OR NEW.email <> OLD.email OR (OLD.handle IS NOT NULL AND NEW.handle IS NOT OLD.handle) OR NEW.told_seq < OLD.told_seq
    OR (NEW.holder_id <> OLD.holder_id AND NOT EXISTS (SELECT 1 FROM staff_reset
        WHERE reviewer_id = OLD.id AND old_holder = OLD.holder_id AND new_holder = NEW.holder_id))
BEGIN SELECT RAISE(ABORT, 'a reviewer stays the same person'); END;
CREATE TRIGGER reviewer_kept BEFORE DELETE ON reviewer
BEGIN SELECT RAISE(ABORT, 'a reviewer is disabled, never deleted'); END;

-- An admin who cannot sign in is none: one with a factor must be left.
CREATE TRIGGER reviewer_last_admin BEFORE UPDATE OF role, disabled_at ON reviewer
WHEN OLD.role = 'admin' AND OLD.disabled_at IS NULL AND (NEW.role <> 'admin' OR NEW.disabled_at IS NOT NULL)
    AND NOT EXISTS (SELECT 1 FROM reviewer a JOIN credential c ON c.user_id = a.holder_id AND c.state = 'active'
        WHERE a.id <> OLD.id AND a.role = 'admin' AND a.disabled_at IS NULL)
BEGIN SELECT RAISE(ABORT, 'the last admin stays'); END;

CREATE TRIGGER reviewer_disabled AFTER UPDATE OF disabled_at ON reviewer
WHEN NEW.disabled_at IS NOT NULL AND OLD.disabled_at IS NULL
BEGIN
    -- For good: an ended session stays ended.
    UPDATE session SET ended_at = NEW.disabled_at WHERE reviewer_id = NEW.id AND ended_at IS NULL;
    UPDATE invitation SET used_at = NEW.disabled_at WHERE reviewer_id = NEW.id AND used_at IS NULL;
END;

-- With the factor goes all that was proved by it, and the password: both are set
-- anew by invitation.
CREATE TRIGGER reviewer_renewed AFTER UPDATE OF holder_id ON reviewer
WHEN NEW.holder_id <> OLD.holder_id
BEGIN
    -- For good: an ended session stays ended.
    UPDATE session SET ended_at = (SELECT confirmed_at FROM staff_reset WHERE new_holder = NEW.holder_id) WHERE reviewer_id = NEW.id AND ended_at IS NULL;
    UPDATE passkey SET removed_at = (SELECT confirmed_at FROM staff_reset WHERE new_holder = NEW.holder_id) WHERE reviewer_id = NEW.id AND removed_at IS NULL;
    UPDATE invitation SET used_at = (SELECT confirmed_at FROM staff_reset WHERE new_holder = NEW.holder_id) WHERE reviewer_id = NEW.id AND used_at IS NULL;
    UPDATE reviewer SET password = NULL, failures = 0, locked_until = 0 WHERE id = NEW.id;
END;

CREATE TABLE invitation (
    hash        BLOB PRIMARY KEY CHECK (length(hash) = 32),
    reviewer_id INTEGER NOT NULL REFERENCES reviewer (id),
    created_at  INTEGER NOT NULL,
    expires_at  INTEGER NOT NULL,
    used_at     INTEGER
) STRICT;

CREATE TRIGGER invitation_fixed BEFORE UPDATE ON invitation
WHEN OLD.used_at IS NOT NULL OR NEW.hash <> OLD.hash OR NEW.reviewer_id <> OLD.reviewer_id
    OR NEW.created_at <> OLD.created_at OR NEW.expires_at <> OLD.expires_at
BEGIN SELECT RAISE(ABORT, 'an invitation is used once'); END;
CREATE TRIGGER invitation_kept BEFORE DELETE ON invitation
BEGIN SELECT RAISE(ABORT, 'an invitation is used once and kept'); END;

-- A session is named by the hash of its token. Whatever gives it more rights
-- (the second factor, a step-up) ends it and begins another one under a new
-- token, which follows it: a token that somebody planted or saw earlier gains
-- nothing. factor_at is 0 while the second factor is owed (after single
-- sign-on): such a session may only pay it, or enroll.
CREATE TABLE session (
    hash        BLOB PRIMARY KEY CHECK (length(hash) = 32),
    reviewer_id INTEGER NOT NULL REFERENCES reviewer (id),
    created_at  INTEGER NOT NULL,
    seen_at     INTEGER NOT NULL,
    expires_at  INTEGER NOT NULL,
    step_up_at  INTEGER NOT NULL DEFAULT 0, -- last fresh second factor
    ip          TEXT NOT NULL,
    agent       TEXT NOT NULL,
    ended_at    INTEGER,
    via         TEXT NOT NULL DEFAULT 'password' CHECK (via IN ('password', 'passkey', 'sso')),
    factor_at   INTEGER NOT NULL,
    follows     BLOB UNIQUE REFERENCES session (hash),
    CHECK (factor_at = 0 OR factor_at >= created_at),
    CHECK (step_up_at = 0 OR factor_at > 0),
    CHECK (factor_at > 0 OR via = 'sso')
) STRICT;

CREATE INDEX session_of_reviewer ON session (reviewer_id);

CREATE TRIGGER session_new BEFORE INSERT ON session
WHEN NEW.ended_at IS NOT NULL OR EXISTS (SELECT 1 FROM session WHERE hash = NEW.hash)
    OR EXISTS (SELECT 1 FROM reviewer WHERE id = NEW.reviewer_id AND disabled_at IS NOT NULL)
    OR (NEW.factor_at > 0 AND NOT EXISTS (SELECT 1 FROM reviewer r JOIN credential c ON c.user_id = r.holder_id AND c.state = 'active'
        WHERE r.id = NEW.reviewer_id))
    OR (NEW.follows IS NOT NULL AND NOT EXISTS (SELECT 1 FROM session o WHERE o.hash = NEW.follows AND o.reviewer_id = NEW.reviewer_id
        AND o.ended_at IS NOT NULL AND o.created_at = NEW.created_at AND o.expires_at = NEW.expires_at))
BEGIN SELECT RAISE(ABORT, 'a session is for a reviewer who is not disabled, and follows one that ended'); END;

CREATE TRIGGER session_ended BEFORE UPDATE ON session
WHEN OLD.ended_at IS NOT NULL OR NEW.hash <> OLD.hash OR NEW.reviewer_id <> OLD.reviewer_id OR NEW.expires_at > OLD.expires_at
    OR NEW.via <> OLD.via OR NEW.factor_at <> OLD.factor_at OR NEW.follows IS NOT OLD.follows
BEGIN SELECT RAISE(ABORT, 'an ended session stays ended'); END;
CREATE TRIGGER session_kept BEFORE DELETE ON session
BEGIN SELECT RAISE(ABORT, 'a session stays ended, and is never deleted'); END;

-- A passkey of a reviewer (WebAuthn). It proves both factors at once, for user
-- verification is required. sign_count never goes back; where an authenticator
-- says it did, there may be a copy of it: suspect_at is set and it is refused.
CREATE TABLE passkey (
    id          INTEGER PRIMARY KEY,
    reviewer_id INTEGER NOT NULL REFERENCES reviewer (id),
    credential  BLOB NOT NULL UNIQUE CHECK (length(credential) BETWEEN 16 AND 1023),
    record      TEXT NOT NULL,            -- public key and flags, as the library writes them
    name        TEXT NOT NULL CHECK (length(name) BETWEEN 1 AND 60),
    sign_count  INTEGER NOT NULL CHECK (sign_count >= 0),
    created_at  INTEGER NOT NULL,
    used_at     INTEGER NOT NULL DEFAULT 0,
    suspect_at  INTEGER,
    removed_at  INTEGER
) STRICT;

CREATE INDEX passkey_of_reviewer ON passkey (reviewer_id);

CREATE TRIGGER passkey_new BEFORE INSERT ON passkey
WHEN NEW.removed_at IS NOT NULL OR NEW.suspect_at IS NOT NULL OR EXISTS (SELECT 1 FROM passkey WHERE id = NEW.id OR credential = NEW.credential)
    OR (SELECT count(*) FROM passkey WHERE reviewer_id = NEW.reviewer_id AND removed_at IS NULL) >= 10
    OR NOT EXISTS (SELECT 1 FROM reviewer r JOIN credential c ON c.user_id = r.holder_id AND c.state = 'active'
        WHERE r.id = NEW.reviewer_id AND r.disabled_at IS NULL)
BEGIN SELECT RAISE(ABORT, 'a passkey is of one reviewer, who has a second factor, and of nobody else ever'); END;

CREATE TRIGGER passkey_fixed BEFORE UPDATE ON passkey
WHEN NEW.id <> OLD.id OR NEW.reviewer_id <> OLD.reviewer_id OR NEW.credential <> OLD.credential OR NEW.created_at <> OLD.created_at
    OR NEW.sign_count < OLD.sign_count OR (OLD.removed_at IS NOT NULL AND NEW.removed_at IS NOT OLD.removed_at)
    OR (OLD.suspect_at IS NOT NULL AND NEW.suspect_at IS NOT OLD.suspect_at)
    OR (NEW.used_at <> OLD.used_at AND (OLD.removed_at IS NOT NULL OR OLD.suspect_at IS NOT NULL))
BEGIN SELECT RAISE(ABORT, 'a passkey stays what it is, and what was removed stays removed'); END;
CREATE TRIGGER passkey_kept BEFORE DELETE ON passkey
BEGIN SELECT RAISE(ABORT, 'a passkey is removed, never deleted'); END;

-- A challenge is answered once. Those that nobody answered are written nowhere.
CREATE TABLE passkey_use (
    challenge  BLOB PRIMARY KEY CHECK (length(challenge) = 32), -- its hash
    passkey_id INTEGER NOT NULL REFERENCES passkey (id),
    at         INTEGER NOT NULL
) STRICT;

CREATE TRIGGER passkey_use_new BEFORE INSERT ON passkey_use
WHEN EXISTS (SELECT 1 FROM passkey_use WHERE challenge = NEW.challenge)
    OR NOT EXISTS (SELECT 1 FROM passkey WHERE id = NEW.passkey_id AND removed_at IS NULL AND suspect_at IS NULL)
BEGIN SELECT RAISE(ABORT, 'a challenge is answered once, by a passkey in use'); END;
CREATE TRIGGER passkey_use_fixed BEFORE UPDATE ON passkey_use
BEGIN SELECT RAISE(ABORT, 'an answered challenge stays answered'); END;
CREATE TRIGGER passkey_use_kept BEFORE DELETE ON passkey_use
BEGIN SELECT RAISE(ABORT, 'an answered challenge stays answered'); END;

-- Who a reviewer is to the provider of single sign-on: issuer and subject, never
-- an e-mail address, which others can come to hold (OpenID Connect Core 5.7).
CREATE TABLE sso_identity (
    issuer      TEXT NOT NULL CHECK (issuer <> ''),
    subject     TEXT NOT NULL CHECK (length(subject) BETWEEN 1 AND 255),
    reviewer_id INTEGER NOT NULL REFERENCES reviewer (id),
    bound_at    INTEGER NOT NULL,
    PRIMARY KEY (issuer, subject),
    UNIQUE (reviewer_id, issuer)
) STRICT;

CREATE TRIGGER sso_identity_fixed BEFORE UPDATE ON sso_identity
BEGIN SELECT RAISE(ABORT, 'an identity is bound to one reviewer for good'); END;
CREATE TRIGGER sso_identity_kept BEFORE DELETE ON sso_identity
BEGIN SELECT RAISE(ABORT, 'an identity is bound to one reviewer for good'); END;

-- The second factor of a reviewer is taken away by two admins, both others than
-- the reviewer, each with a fresh second factor of their own; or by the operator
-- on the host, alone, when no two are left (asked_by NULL). The reviewer gets a
-- new holder without a factor: the old one keeps its history and opens nothing.
CREATE TABLE staff_reset (
    id           INTEGER PRIMARY KEY,
    reviewer_id  INTEGER NOT NULL REFERENCES reviewer (id),
    old_holder   TEXT NOT NULL REFERENCES holder (id),
    new_holder   TEXT UNIQUE REFERENCES holder (id),
    reason       TEXT NOT NULL CHECK (trim(reason) <> ''),
    asked_by     INTEGER REFERENCES reviewer (id),
    asked_in     BLOB REFERENCES session (hash),
    asked_at     INTEGER NOT NULL,
    asked_seq    INTEGER NOT NULL UNIQUE REFERENCES audit (seq),
    confirmed_by INTEGER REFERENCES reviewer (id),
    confirmed_in BLOB REFERENCES session (hash),
    confirmed_at INTEGER,
    audit_seq    INTEGER UNIQUE REFERENCES audit (seq),
    withdrawn_at INTEGER,
    CHECK (asked_by IS NOT reviewer_id AND confirmed_by IS NOT reviewer_id),
    CHECK (asked_by IS NULL OR confirmed_by IS NOT asked_by),
    CHECK ((asked_by IS NULL) = (asked_in IS NULL)),
    CHECK ((confirmed_by IS NULL) = (confirmed_in IS NULL)),
    CHECK ((confirmed_at IS NULL) = (audit_seq IS NULL) AND (confirmed_at IS NULL) = (new_holder IS NULL)),
    CHECK (confirmed_at IS NULL OR (confirmed_by IS NULL) = (asked_by IS NULL)),
    CHECK (confirmed_at IS NULL OR (withdrawn_at IS NULL AND confirmed_at >= asked_at))
) STRICT;

CREATE UNIQUE INDEX staff_reset_one_open ON staff_reset (reviewer_id) WHERE confirmed_at IS NULL AND withdrawn_at IS NULL;

CREATE TRIGGER staff_reset_new BEFORE INSERT ON staff_reset
WHEN NEW.confirmed_at IS NOT NULL OR NEW.withdrawn_at IS NOT NULL
    OR EXISTS (SELECT 1 FROM staff_reset WHERE id = NEW.id)
    OR NOT EXISTS (SELECT 1 FROM reviewer WHERE id = NEW.reviewer_id AND holder_id = NEW.old_holder)
    OR NOT EXISTS (SELECT 1 FROM audit WHERE seq = NEW.asked_seq AND action = 'reviewer.reset_asked' AND object = 'reviewer:' || NEW.reviewer_id
        AND actor = CASE WHEN NEW.asked_by IS NULL THEN 'host' ELSE 'reviewer:' || NEW.asked_by END)
    OR (NEW.asked_by IS NOT NULL AND NOT EXISTS (SELECT 1 FROM session s JOIN reviewer a ON a.id = s.reviewer_id
        WHERE s.hash = NEW.asked_in AND a.id = NEW.asked_by AND a.role = 'admin' AND a.disabled_at IS NULL AND s.ended_at IS NULL
            AND s.step_up_at <= NEW.asked_at AND NEW.asked_at - s.step_up_at <= 300000000))
BEGIN SELECT RAISE(ABORT, 'an admin with a fresh second factor asks for the reset of another one''s'); END;

CREATE TRIGGER staff_reset_confirmed BEFORE UPDATE ON staff_reset
WHEN NEW.id <> OLD.id OR NEW.reviewer_id <> OLD.reviewer_id OR NEW.old_holder <> OLD.old_holder OR NEW.reason <> OLD.reason
    OR NEW.asked_by IS NOT OLD.asked_by OR NEW.asked_in IS NOT OLD.asked_in OR NEW.asked_at <> OLD.asked_at OR NEW.asked_seq <> OLD.asked_seq
    OR OLD.confirmed_at IS NOT NULL OR OLD.withdrawn_at IS NOT NULL
    OR (NEW.confirmed_at IS NOT NULL AND (NEW.confirmed_at - NEW.asked_at > 86400000000
        OR NOT EXISTS (SELECT 1 FROM reviewer WHERE id = NEW.reviewer_id AND holder_id = NEW.old_holder)
        OR NOT EXISTS (SELECT 1 FROM audit WHERE seq = NEW.audit_seq AND object = 'reviewer:' || NEW.reviewer_id
            AND action = CASE WHEN NEW.confirmed_by IS NULL THEN 'reviewer.recovered' ELSE 'reviewer.reset' END
            AND actor = CASE WHEN NEW.confirmed_by IS NULL THEN 'host' ELSE 'reviewer:' || NEW.confirmed_by END)
        OR (NEW.confirmed_by IS NOT NULL AND NOT EXISTS (SELECT 1 FROM session s JOIN reviewer a ON a.id = s.reviewer_id
            WHERE s.hash = NEW.confirmed_in AND a.id = NEW.confirmed_by AND a.role = 'admin' AND a.disabled_at IS NULL AND s.ended_at IS NULL
                AND s.step_up_at <= NEW.confirmed_at AND NEW.confirmed_at - s.step_up_at <= 300000000))))
BEGIN SELECT RAISE(ABORT, 'a second admin with a fresh second factor confirms within a day'); END;

CREATE TRIGGER staff_reset_kept BEFORE DELETE ON staff_reset
BEGIN SELECT RAISE(ABORT, 'a reset of a reviewer stays on record'); END;

---------------------------------------------------------------------------
-- The JSON API: its keys, and what it answered lately
---------------------------------------------------------------------------

-- A key lets a program of the panel in. Its token is shown once; the hash is
-- what the database knows. Scopes and networks are words separated by spaces.
CREATE TABLE api_key (
    id         INTEGER PRIMARY KEY,
    name       TEXT NOT NULL CHECK (name <> ''),
    hash       BLOB NOT NULL UNIQUE CHECK (length(hash) = 32),
    scopes     TEXT NOT NULL CHECK (scopes <> ''),
    allow      TEXT NOT NULL DEFAULT '',  -- '': from anywhere
    created_at INTEGER NOT NULL,
    expires_at INTEGER CHECK (expires_at > created_at), -- NULL: never
    revoked_at INTEGER,
    used_at    INTEGER                    -- last use, to the minute
) STRICT;

CREATE TRIGGER api_key_new BEFORE INSERT ON api_key
WHEN NEW.revoked_at IS NOT NULL OR NEW.used_at IS NOT NULL OR EXISTS (SELECT 1 FROM api_key WHERE id = NEW.id OR hash = NEW.hash)
BEGIN SELECT RAISE(ABORT, 'an API key begins unused'); END;

CREATE TRIGGER api_key_fixed BEFORE UPDATE ON api_key
WHEN NEW.id <> OLD.id OR NEW.name <> OLD.name OR NEW.hash <> OLD.hash OR NEW.scopes <> OLD.scopes OR NEW.allow <> OLD.allow
    OR NEW.created_at <> OLD.created_at OR NEW.expires_at IS NOT OLD.expires_at
    OR (OLD.revoked_at IS NOT NULL AND NEW.revoked_at IS NOT OLD.revoked_at)
BEGIN SELECT RAISE(ABORT, 'an API key is never changed, only revoked'); END;

CREATE TRIGGER api_key_kept BEFORE DELETE ON api_key
BEGIN SELECT RAISE(ABORT, 'an API key is never deleted'); END;

-- An answer that is owed again when the same request comes again. The row is
-- claimed before the act and answered after it: a claim without an answer is an
-- act that is under way, or one whose outcome a crash hid. Kept for a day.
CREATE TABLE idempotency (
    key_id     INTEGER NOT NULL REFERENCES api_key (id),
    name       TEXT NOT NULL CHECK (length(name) BETWEEN 1 AND 255), -- Idempotency-Key
    request    BLOB NOT NULL CHECK (length(request) = 32), -- keyed hash of method, path and body
    status     INTEGER,
    sealed     BLOB,                      -- the answer; it may hold secrets
    created_at INTEGER NOT NULL,
    done_at    INTEGER,
    PRIMARY KEY (key_id, name),
    CHECK ((status IS NULL) = (done_at IS NULL) AND (sealed IS NULL) = (done_at IS NULL))
) STRICT;

CREATE INDEX idempotency_by_age ON idempotency (created_at);
CREATE INDEX idempotency_key ON idempotency (substr(sealed, 2, 4)) WHERE sealed IS NOT NULL; -- the id of the key that sealed it

CREATE TRIGGER idempotency_new BEFORE INSERT ON idempotency
WHEN NEW.done_at IS NOT NULL
BEGIN SELECT RAISE(ABORT, 'a claim begins without an answer'); END;

CREATE TRIGGER idempotency_fixed BEFORE UPDATE ON idempotency
WHEN NEW.key_id <> OLD.key_id OR NEW.name <> OLD.name OR NEW.request <> OLD.request OR NEW.created_at <> OLD.created_at
    OR OLD.done_at IS NOT NULL
BEGIN SELECT RAISE(ABORT, 'an answer is given once'); END;

---------------------------------------------------------------------------
-- Cases
---------------------------------------------------------------------------

-- A request to reset one user's second factor. A mail, a request of the panel or a
-- reviewer by hand opened it; none of them proves anything. account_id and user_id may be
-- open at first and are set once. round counts how often contrary evidence (the
-- owner's no, a code used meanwhile) made every earlier yes and vote void.
CREATE TABLE reset_case (
    id          INTEGER PRIMARY KEY,
    number      TEXT NOT NULL UNIQUE CHECK (number LIKE 'RST-______'),
    state       TEXT NOT NULL CHECK (state IN ('open', 'held', 'clearing', 'cleared', 'undone',
                    'rejected', 'withdrawn', 'duplicate', 'not_a_request', 'expired')),
    version     INTEGER NOT NULL DEFAULT 1,
    round       INTEGER NOT NULL DEFAULT 1,
    requester   TEXT NOT NULL CHECK (requester = lower(requester)), -- the registered address, as stored
    opener_mail    INTEGER,         -- the mail that opened it (case_mail), or
    opener_request INTEGER,         -- the request of the panel that did (panel_request), or
    opener_hand    INTEGER,         -- what a reviewer wrote down who did (hand_request)
    account_id  TEXT REFERENCES account (id),
    user_id     TEXT REFERENCES panel_user (id),
    previous_id INTEGER REFERENCES reset_case (id), -- the closed case that this one comes back to
    locale      TEXT NOT NULL,
    opened_at   INTEGER NOT NULL,
    expires_at  INTEGER NOT NULL,
    watched_from INTEGER NOT NULL,  -- a code accepted after this is contrary evidence
    due_at      INTEGER NOT NULL,   -- when the clock looks at it next
    held_by     TEXT NOT NULL DEFAULT '' CHECK (held_by IN ('', 'reviewer', 'owner', 'verified', 'bounce', 'mail', 'evidence')),
    held_reason TEXT NOT NULL DEFAULT '',
    held_until  INTEGER NOT NULL DEFAULT 0, -- when a person wants to look again; 0: no time was set
    duplicate_of INTEGER REFERENCES reset_case (id),
    closed_at   INTEGER,
    closed_by   TEXT NOT NULL DEFAULT '',
    close_reason TEXT NOT NULL DEFAULT '',
    CHECK (user_id IS NULL OR account_id IS NOT NULL),
    CHECK ((opener_mail IS NOT NULL) + (opener_request IS NOT NULL) + (opener_hand IS NOT NULL) = 1),
    CHECK (opener_mail IS NOT NULL OR user_id IS NOT NULL), -- a panel names the user, and so does a reviewer
    FOREIGN KEY (id, opener_mail) REFERENCES case_mail (case_id, inbound_id) DEFERRABLE INITIALLY DEFERRED,
    FOREIGN KEY (id, opener_request) REFERENCES panel_request (case_id, serial) DEFERRABLE INITIALLY DEFERRED,
    FOREIGN KEY (id, opener_hand) REFERENCES hand_request (case_id, id) DEFERRABLE INITIALLY DEFERRED,
    CHECK ((state = 'held') = (held_by <> '')),
    CHECK (held_until = 0 OR state = 'held'),
    CHECK ((state = 'duplicate') = (duplicate_of IS NOT NULL)),
    CHECK ((state IN ('open', 'held', 'clearing')) = (closed_at IS NULL)),
    CHECK (closed_at IS NULL OR closed_by <> '')
) STRICT;

CREATE UNIQUE INDEX case_one_open_a_user ON reset_case (user_id)
    WHERE state IN ('open', 'held', 'clearing') AND user_id IS NOT NULL;
CREATE UNIQUE INDEX case_one_open_unresolved ON reset_case (requester, coalesce(account_id, ''))
    WHERE state IN ('open', 'held', 'clearing') AND user_id IS NULL;
CREATE INDEX case_due ON reset_case (due_at) WHERE state IN ('open', 'held');
CREATE INDEX case_by_state ON reset_case (state, id);
CREATE INDEX case_of_account ON reset_case (account_id, id);
CREATE INDEX case_by_opening ON reset_case (opened_at);
CREATE INDEX case_of_user ON reset_case (user_id, id);
CREATE INDEX case_of_requester ON reset_case (requester, id);
CREATE INDEX case_after ON reset_case (previous_id) WHERE previous_id IS NOT NULL;

CREATE TRIGGER case_new BEFORE INSERT ON reset_case
WHEN NEW.state <> 'open' OR NEW.version <> 1 OR NEW.round <> 1
    OR EXISTS (SELECT 1 FROM reset_case WHERE id = NEW.id)
    OR (NEW.user_id IS NOT NULL AND NOT EXISTS (
        SELECT 1 FROM panel_user WHERE id = NEW.user_id AND account_id = NEW.account_id))
    OR (NEW.account_id IS NOT NULL AND NOT EXISTS (
        SELECT 1 FROM address WHERE account_id = NEW.account_id AND lookup = NEW.requester AND role = 'admin' AND until IS NULL))
BEGIN SELECT RAISE(ABORT, 'a case begins open, for an account of its requester'); END;

CREATE TRIGGER case_previous BEFORE INSERT ON reset_case
WHEN NEW.previous_id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM reset_case WHERE id = NEW.previous_id
    AND closed_at IS NOT NULL AND (account_id = NEW.account_id OR requester = NEW.requester))
BEGIN SELECT RAISE(ABORT, 'a case comes back to a closed case of its account or requester'); END;

CREATE TRIGGER case_kept BEFORE DELETE ON reset_case
BEGIN SELECT RAISE(ABORT, 'a case is never deleted'); END;

CREATE TRIGGER case_fixed BEFORE UPDATE ON reset_case
WHEN NEW.id <> OLD.id OR NEW.number <> OLD.number OR NEW.requester <> OLD.requester OR NEW.opened_at <> OLD.opened_at
    OR NEW.expires_at <> OLD.expires_at OR NEW.previous_id IS NOT OLD.previous_id
    OR NEW.opener_mail IS NOT OLD.opener_mail OR NEW.opener_request IS NOT OLD.opener_request OR NEW.opener_hand IS NOT OLD.opener_hand
    OR NEW.version < OLD.version OR NEW.version > OLD.version + 1
    OR (NEW.version = OLD.version AND (NEW.state <> OLD.state OR NEW.round <> OLD.round
        OR NEW.account_id IS NOT OLD.account_id OR NEW.user_id IS NOT OLD.user_id))
    OR NEW.round < OLD.round OR NEW.round > OLD.round + 1
    OR (OLD.account_id IS NOT NULL AND NEW.account_id IS NOT OLD.account_id)
    OR (OLD.user_id IS NOT NULL AND NEW.user_id IS NOT OLD.user_id)
    OR (NEW.user_id IS NOT NULL AND NOT EXISTS (
        SELECT 1 FROM panel_user WHERE id = NEW.user_id AND account_id = NEW.account_id))
    OR (OLD.account_id IS NULL AND NEW.account_id IS NOT NULL AND NOT EXISTS (
        SELECT 1 FROM address WHERE account_id = NEW.account_id AND lookup = NEW.requester AND role = 'admin' AND until IS NULL))
BEGIN SELECT RAISE(ABORT, 'a case keeps its identity and counts its versions'); END;

-- The owner's no, a code used meanwhile and evidence that failed make void what was
-- said before; so does a mail that stopped the case after a vote: the vote had not
-- seen it.
CREATE TRIGGER case_resumed BEFORE UPDATE OF state ON reset_case
WHEN OLD.state = 'held' AND NEW.state = 'open' AND NEW.round = OLD.round AND (OLD.held_by IN ('owner', 'verified', 'evidence')
    OR OLD.held_by = 'mail' AND EXISTS (SELECT 1 FROM approval WHERE case_id = OLD.id AND round = OLD.round))
BEGIN SELECT RAISE(ABORT, 'a case goes on after contrary evidence only if it begins a new round'); END;

CREATE TRIGGER case_watched BEFORE UPDATE OF watched_from ON reset_case
WHEN NEW.watched_from <> OLD.watched_from AND NEW.round = OLD.round
BEGIN SELECT RAISE(ABORT, 'what a case watches for changes with its round'); END;

CREATE TRIGGER case_recorded BEFORE UPDATE OF state ON reset_case
WHEN NEW.state <> OLD.state AND NEW.state IN ('rejected', 'withdrawn', 'duplicate', 'not_a_request', 'expired')
    AND NOT EXISTS (SELECT 1 FROM audit WHERE object = OLD.number AND action = 'case.' || NEW.state)
BEGIN SELECT RAISE(ABORT, 'a case is not closed without a recorded event'); END;

-- Without a person only a mail withdraws a case, from a registered address that its
-- domain speaks for: a forged one would keep others out of their account.
CREATE TRIGGER case_withdrawn BEFORE UPDATE OF state ON reset_case
WHEN NEW.state = 'withdrawn' AND OLD.state <> 'withdrawn' AND NEW.closed_by NOT LIKE 'reviewer:%' AND NOT EXISTS (
    SELECT 1 FROM case_mail m JOIN assessment s ON s.inbound_id = m.inbound_id
        JOIN address a ON a.lookup = s.claimed AND a.role = 'admin' AND a.until IS NULL
    WHERE m.case_id = OLD.id AND m.says = 'withdraw' AND s.verdict IN ('authenticated', 'partial')
        AND s.match IN ('exact', 'case_variant') AND (a.account_id = OLD.account_id OR OLD.account_id IS NULL AND a.lookup = OLD.requester))
BEGIN SELECT RAISE(ABORT, 'a case is withdrawn by a person or by the proven mail of an admin'); END;

CREATE TRIGGER case_duplicate BEFORE UPDATE OF state, duplicate_of ON reset_case
WHEN NEW.duplicate_of IS NOT OLD.duplicate_of AND NOT EXISTS (SELECT 1 FROM reset_case o
    WHERE o.id = NEW.duplicate_of AND o.id <> OLD.id AND o.state <> 'duplicate' AND OLD.duplicate_of IS NULL
        AND (o.account_id = OLD.account_id OR o.requester = OLD.requester))
BEGIN SELECT RAISE(ABORT, 'a duplicate names another case of the same account, which is none'); END;

CREATE TRIGGER case_state BEFORE UPDATE ON reset_case
WHEN NOT (
    (OLD.state = 'open' AND NEW.state IN ('open', 'held', 'clearing', 'cleared', 'rejected', 'withdrawn', 'duplicate', 'not_a_request', 'expired'))
    OR (OLD.state = 'held' AND NEW.state IN ('held', 'open', 'rejected', 'withdrawn', 'duplicate', 'not_a_request', 'expired'))
    OR (OLD.state = 'clearing' AND NEW.state IN ('clearing', 'cleared', 'held'))
    OR (OLD.state = 'cleared' AND NEW.state = 'undone'))
BEGIN SELECT RAISE(ABORT, 'a case is decided once'); END;

-- A reset is whole: the case is cleared when everything that belongs to it is
-- done and everyone concerned is being told.
CREATE TRIGGER case_cleared BEFORE UPDATE OF state ON reset_case
WHEN NEW.state = 'cleared' AND OLD.state <> 'cleared' AND NOT EXISTS (
    SELECT 1 FROM reset r JOIN holder h ON h.id = r.user_id
    WHERE r.case_id = OLD.id AND r.user_id = NEW.user_id AND h.generation = r.generation + 1
        AND NOT EXISTS (SELECT 1 FROM credential WHERE user_id = r.user_id AND state = 'active')
        AND NOT EXISTS (SELECT 1 FROM backup_set WHERE user_id = r.user_id AND state = 'active')
        AND EXISTS (SELECT 1 FROM enrollment_pass WHERE reset_id = r.id)
        AND EXISTS (SELECT 1 FROM letter WHERE reset_id = r.id AND kind = 'cleared')
        AND EXISTS (SELECT 1 FROM letter WHERE reset_id = r.id AND kind = 'pass')
        AND NOT EXISTS (SELECT 1 FROM address a WHERE a.account_id = NEW.account_id AND a.until IS NULL AND a.role IN ('admin', 'notify')
            AND NOT EXISTS (SELECT 1 FROM letter l JOIN address b ON b.id = l.address_id
                WHERE l.reset_id = r.id AND l.kind = 'cleared' AND b.lookup = a.lookup)))
BEGIN SELECT RAISE(ABORT, 'a case is cleared only by a whole reset'); END;

CREATE TRIGGER case_undone BEFORE UPDATE OF state ON reset_case
WHEN NEW.state = 'undone' AND NOT EXISTS (
    SELECT 1 FROM reset r JOIN undo u ON u.reset_id = r.id WHERE r.case_id = OLD.id)
BEGIN SELECT RAISE(ABORT, 'a case is undone only by an undo'); END;

-- Cases counted by the week in which it happened (weeks since 1970 that begin on
-- Monday, UTC), so that the page of numbers reads no case. label is where an
-- opened case came from, how a closed one ended, how long it took (in hours, up to
-- the number), or why it was rejected; hours is the sum of what closed ones took.
CREATE TABLE case_tally (
    week  INTEGER NOT NULL CONSTRAINT case_tally_week CHECK (week > 0),
    what  TEXT NOT NULL CHECK (what IN ('opened', 'closed', 'took', 'reason')),
    label TEXT NOT NULL,
    n     INTEGER NOT NULL,
    hours REAL NOT NULL,
    PRIMARY KEY (week, what, label)
) STRICT;

CREATE TRIGGER case_tally_opened AFTER INSERT ON reset_case
BEGIN
    INSERT INTO case_tally (week, what, label, n, hours)
    VALUES ((NEW.opened_at + 259200000000) / 604800000000, 'opened', CASE WHEN NEW.opener_hand IS NOT NULL THEN 'hand' WHEN NEW.opener_mail IS NULL THEN 'panel' ELSE 'mail' END, 1, 0)
    ON CONFLICT (week, what, label) DO UPDATE SET n = n + 1;
END;

CREATE TRIGGER case_tally_closed AFTER UPDATE OF state ON reset_case
WHEN NEW.state <> OLD.state AND NEW.closed_at IS NOT NULL
BEGIN
    INSERT INTO case_tally (week, what, label, n, hours)
    VALUES ((NEW.closed_at + 259200000000) / 604800000000, 'closed', NEW.state, 1, (NEW.closed_at - NEW.opened_at) / 3600000000.0)
    ON CONFLICT (week, what, label) DO UPDATE SET n = n + 1, hours = hours + excluded.hours;
    INSERT INTO case_tally (week, what, label, n, hours)
    SELECT (NEW.closed_at + 259200000000) / 604800000000, 'took',
        CASE WHEN h <= 1 THEN '1' WHEN h <= 4 THEN '4' WHEN h <= 12 THEN '12' WHEN h <= 24 THEN '24' WHEN h <= 72 THEN '72' ELSE 'more' END, 1, 0
    FROM (SELECT (NEW.closed_at - NEW.opened_at) / 3600000000.0 AS h) WHERE NEW.state <> 'undone'
    ON CONFLICT (week, what, label) DO UPDATE SET n = n + 1;
    INSERT INTO case_tally (week, what, label, n, hours)
    SELECT (NEW.closed_at + 259200000000) / 604800000000, 'reason', substr(NEW.close_reason, 1, instr(NEW.close_reason || '.', '.') - 1), 1, 0 WHERE NEW.state = 'rejected'
    ON CONFLICT (week, what, label) DO UPDATE SET n = n + 1;
END;

CREATE TRIGGER case_tally_new BEFORE INSERT ON case_tally
WHEN NEW.n <> 1
BEGIN SELECT RAISE(ABORT, 'a count of cases begins with one'); END;
CREATE TRIGGER case_tally_counts BEFORE UPDATE ON case_tally
WHEN NEW.week <> OLD.week OR NEW.what <> OLD.what OR NEW.label <> OLD.label OR NEW.n <> OLD.n + 1 OR NEW.hours < OLD.hours
BEGIN SELECT RAISE(ABORT, 'cases are counted on, one by one'); END;
CREATE TRIGGER case_tally_kept BEFORE DELETE ON case_tally
BEGIN SELECT RAISE(ABORT, 'a count of cases is never deleted'); END;

-- Which mails belong to a case: the one that opened it, those that ask for the
-- same again, and those that answer a letter. An answer of a contact of the
-- account is part of the evidence ('replied'); what anybody could have sent
-- ('attached', 'foreign') is read by people and is none.
CREATE TABLE case_mail (
    case_id    INTEGER NOT NULL REFERENCES reset_case (id),
    inbound_id INTEGER NOT NULL REFERENCES inbound (id),
    role       TEXT NOT NULL CHECK (role IN ('opened', 'attached', 'replied', 'foreign')),
    says       TEXT NOT NULL DEFAULT '' CHECK (says IN ('', 'request', 'object', 'withdraw', 'thanks', 'question', 'facts')),
    halted     INTEGER NOT NULL DEFAULT 0 CHECK (halted IN (0, 1)), -- it put the case on hold
    at         INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (case_id, inbound_id)
) STRICT;

CREATE INDEX case_mail_objects ON case_mail (case_id, at) WHERE says = 'object';
CREATE UNIQUE INDEX case_mail_one_opener ON case_mail (case_id) WHERE role = 'opened';
CREATE INDEX case_mail_of_inbound ON case_mail (inbound_id);

CREATE TRIGGER case_mail_new BEFORE INSERT ON case_mail
WHEN (NEW.role = 'opened') <> EXISTS (SELECT 1 FROM reset_case WHERE id = NEW.case_id AND opener_mail = NEW.inbound_id)
BEGIN SELECT RAISE(ABORT, 'a case has the opener that it names'); END;

CREATE TRIGGER case_mail_fixed BEFORE UPDATE ON case_mail
BEGIN SELECT RAISE(ABORT, 'a mail stays with its case'); END;
CREATE TRIGGER case_mail_kept BEFORE DELETE ON case_mail
BEGIN SELECT RAISE(ABORT, 'a mail stays with its case'); END;

-- What somebody asked for in the control panel, for the user of the case. The
-- first one opens a case, or comes to the one that is open; later ones follow it.
CREATE TABLE panel_request (
    case_id     INTEGER NOT NULL REFERENCES reset_case (id),
    serial      INTEGER NOT NULL,
    asked_by    TEXT NOT NULL REFERENCES panel_user (id), -- the user, or an admin of the account
    password_at INTEGER NOT NULL,  -- when the panel verified the password of who asks; 0: it did not
    note        TEXT NOT NULL CHECK (length(note) <= 2000),
    ip          TEXT NOT NULL,
    agent       TEXT NOT NULL,
    received_at INTEGER NOT NULL,
    PRIMARY KEY (case_id, serial)
) STRICT;

CREATE TRIGGER panel_request_new BEFORE INSERT ON panel_request
WHEN NEW.serial <> 1 + (SELECT count(*) FROM panel_request WHERE case_id = NEW.case_id)
    OR NOT EXISTS (SELECT 1 FROM reset_case c JOIN panel_user u ON u.id = NEW.asked_by AND u.account_id = c.account_id
        WHERE c.id = NEW.case_id AND c.closed_at IS NULL AND (u.id = c.user_id OR u.role = 'admin'))
BEGIN SELECT RAISE(ABORT, 'in the panel the user asks, or an admin of the account'); END;

CREATE TRIGGER panel_request_fixed BEFORE UPDATE ON panel_request
BEGIN SELECT RAISE(ABORT, 'a request of the panel is never changed'); END;
CREATE TRIGGER panel_request_kept BEFORE DELETE ON panel_request
BEGIN SELECT RAISE(ABORT, 'a request of the panel is never deleted'); END;

-- A request that came by telephone or in the operator's ticket system, as the
-- reviewer wrote it down who opened a case for it. person is who the reviewer is, as
-- in approval: the one who says that somebody asked is not the only one who approves.
CREATE TABLE hand_request (
    id          INTEGER PRIMARY KEY,
    case_id     INTEGER NOT NULL UNIQUE REFERENCES reset_case (id),
    reviewer_id INTEGER NOT NULL REFERENCES reviewer (id),
    session     BLOB NOT NULL,
    person      TEXT NOT NULL CHECK (person NOT LIKE '%+%@%'),
    channel     TEXT NOT NULL CHECK (channel IN ('phone', 'ticket')),
    source      TEXT NOT NULL CHECK (trim(source) <> '' AND length(source) <= 200), -- the ticket, or the call
    reason      TEXT NOT NULL CHECK (trim(reason) <> '' AND length(reason) <= 2000),
    at          INTEGER NOT NULL,
    audit_seq   INTEGER NOT NULL UNIQUE REFERENCES audit (seq),
    UNIQUE (case_id, id)
) STRICT;

CREATE TRIGGER hand_request_new BEFORE INSERT ON hand_request
WHEN EXISTS (SELECT 1 FROM hand_request WHERE id = NEW.id)
    OR NOT EXISTS (SELECT 1 FROM reset_case c JOIN audit a ON a.object = c.number
        WHERE c.id = NEW.case_id AND c.opener_hand = NEW.id AND c.state = 'open' AND c.version = 1
            AND a.seq = NEW.audit_seq AND a.action = 'case.opened' AND a.actor = 'reviewer:' || NEW.reviewer_id)
    OR NOT EXISTS (SELECT 1 FROM session s JOIN reviewer r ON r.id = s.reviewer_id
        WHERE s.hash = NEW.session AND s.reviewer_id = NEW.reviewer_id AND s.ended_at IS NULL AND s.expires_at > NEW.at
            AND r.disabled_at IS NULL AND r.role IN ('reviewer', 'lead', 'admin')
            AND (r.email = NEW.person
                OR r.email LIKE replace(replace(replace(replace(NEW.person, '!', '!!'), '_', '!_'), '%', '!%'), '@', '+%@') ESCAPE '!')
            AND NOT EXISTS (SELECT 1 FROM reset_case k LEFT JOIN address d ON d.account_id = k.account_id
                WHERE k.id = NEW.case_id AND (d.lookup IN (r.email, NEW.person) OR k.requester IN (r.email, NEW.person))))
BEGIN SELECT RAISE(ABORT, 'by hand an entitled reviewer opens a case, for others, and it is recorded'); END;

CREATE TRIGGER hand_request_fixed BEFORE UPDATE ON hand_request
BEGIN SELECT RAISE(ABORT, 'what was written down is never changed'); END;
CREATE TRIGGER hand_request_kept BEFORE DELETE ON hand_request
BEGIN SELECT RAISE(ABORT, 'what was written down is never deleted'); END;

-- What a panel adds to a case for the reviewers to read.
CREATE TABLE case_note (
    id      INTEGER PRIMARY KEY,
    case_id INTEGER NOT NULL REFERENCES reset_case (id),
    author  TEXT NOT NULL CHECK (author = 'panel'),
    text    TEXT NOT NULL CHECK (trim(text) <> '' AND length(text) <= 2000),
    at      INTEGER NOT NULL
) STRICT;

CREATE INDEX case_note_of_case ON case_note (case_id);

CREATE TRIGGER case_note_new BEFORE INSERT ON case_note
WHEN EXISTS (SELECT 1 FROM case_note WHERE id = NEW.id)
BEGIN SELECT RAISE(ABORT, 'a note is never changed'); END;
CREATE TRIGGER case_note_fixed BEFORE UPDATE ON case_note
BEGIN SELECT RAISE(ABORT, 'a note is never changed'); END;
CREATE TRIGGER case_note_kept BEFORE DELETE ON case_note
BEGIN SELECT RAISE(ABORT, 'a note is never deleted'); END;

-- What the panel saw of a user. It proves nothing for a request; a login with the
-- second factor speaks against one. at is the panel's clock, which may be off by
-- five minutes.
CREATE TABLE signal (
    id            INTEGER PRIMARY KEY,
    user_id       TEXT NOT NULL REFERENCES panel_user (id),
    kind          TEXT NOT NULL CHECK (kind IN ('password_verified', 'logged_in', 'login_failed')),
    second_factor INTEGER NOT NULL CHECK (second_factor IN (0, 1)), -- of a login
    at            INTEGER NOT NULL,
    ip            TEXT NOT NULL,
    agent         TEXT NOT NULL,
    received_at   INTEGER NOT NULL,
    CHECK (second_factor = 0 OR kind = 'logged_in'),
    CHECK (at <= received_at + 300000000 AND at >= received_at - 86400000000)
) STRICT;

CREATE INDEX signal_of_user ON signal (user_id, kind, received_at);
CREATE INDEX signal_by_age ON signal (received_at);

CREATE TRIGGER signal_new BEFORE INSERT ON signal
WHEN EXISTS (SELECT 1 FROM signal WHERE id = NEW.id)
BEGIN SELECT RAISE(ABORT, 'a signal is never changed'); END;
CREATE TRIGGER signal_fixed BEFORE UPDATE ON signal
BEGIN SELECT RAISE(ABORT, 'a signal is never changed'); END;

-- Signals are forgotten after 90 days, and the audit has the day.
CREATE TRIGGER signal_kept BEFORE DELETE ON signal
WHEN NOT EXISTS (SELECT 1 FROM audit WHERE object = 'signals' AND action = 'signals.forgotten' AND at >= OLD.received_at + 7776000000000)
BEGIN SELECT RAISE(ABORT, 'a signal is kept for 90 days'); END;

-- Links in letters. confirm goes to a registered address only; object lets any
-- contact stop a case; vouch asks another admin of the account, who is not the
-- user, whether he knows of it; undo takes a reset back within its hold.
CREATE TABLE owner_link (
    hash       BLOB PRIMARY KEY CHECK (length(hash) = 32),
    case_id    INTEGER NOT NULL REFERENCES reset_case (id),
    round      INTEGER NOT NULL,
    purpose    TEXT NOT NULL CHECK (purpose IN ('confirm', 'object', 'vouch', 'undo')),
    address_id INTEGER NOT NULL REFERENCES address (id),
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL CHECK (expires_at > created_at)
) STRICT;

CREATE INDEX owner_link_of_case ON owner_link (case_id);

CREATE TRIGGER owner_link_new BEFORE INSERT ON owner_link
WHEN EXISTS (SELECT 1 FROM owner_link WHERE hash = NEW.hash)
    OR NOT EXISTS (SELECT 1 FROM reset_case c JOIN address a ON a.id = NEW.address_id
        WHERE c.id = NEW.case_id AND c.round = NEW.round AND (a.until IS NULL OR NEW.purpose NOT IN ('confirm', 'vouch'))
            AND (a.account_id = c.account_id OR (c.account_id IS NULL AND a.lookup = c.requester))
            AND (NEW.purpose <> 'confirm' OR a.role = 'admin')
            AND (NEW.purpose <> 'vouch' OR (a.role = 'admin' AND a.lookup <> c.requester AND a.since < c.opened_at
                AND a.lookup NOT IN (SELECT lookup FROM address WHERE user_id = c.user_id))))
BEGIN SELECT RAISE(ABORT, 'a confirm link goes to a registered address of the account'); END;

CREATE TRIGGER owner_link_fixed BEFORE UPDATE ON owner_link
BEGIN SELECT RAISE(ABORT, 'a link is never changed'); END;
CREATE TRIGGER owner_link_kept BEFORE DELETE ON owner_link
BEGIN SELECT RAISE(ABORT, 'a link is never deleted'); END;

-- What owners said through their links.
CREATE TABLE answer (
    id      INTEGER PRIMARY KEY,
    case_id INTEGER NOT NULL REFERENCES reset_case (id),
    round   INTEGER NOT NULL,
    link    BLOB NOT NULL REFERENCES owner_link (hash),
    answer  TEXT NOT NULL CHECK (answer IN ('yes', 'no')),
    user_id TEXT REFERENCES panel_user (id),  -- for whom the yes is
    at      INTEGER NOT NULL,
    ip      TEXT NOT NULL,
    CHECK (answer = 'no' OR user_id IS NOT NULL)
) STRICT;

CREATE INDEX answer_of_link ON answer (link);
CREATE UNIQUE INDEX answer_once ON answer (case_id, round, link, answer);

CREATE TRIGGER answer_new BEFORE INSERT ON answer
WHEN EXISTS (SELECT 1 FROM answer WHERE id = NEW.id)
    OR NOT EXISTS (SELECT 1 FROM owner_link l JOIN reset_case c ON c.id = l.case_id
        WHERE l.hash = NEW.link AND c.id = NEW.case_id AND c.round = NEW.round AND l.round = NEW.round
            AND c.state IN ('open', 'held') AND NEW.at < l.expires_at
            AND (l.purpose = 'confirm' OR (l.purpose = 'object' AND NEW.answer = 'no'))
            AND (NEW.user_id IS NULL OR NEW.user_id = c.user_id))
BEGIN SELECT RAISE(ABORT, 'an answer comes through a live link of the open case'); END;

CREATE TRIGGER answer_fixed BEFORE UPDATE ON answer
BEGIN SELECT RAISE(ABORT, 'an answer is never changed'); END;
CREATE TRIGGER answer_kept BEFORE DELETE ON answer
BEGIN SELECT RAISE(ABORT, 'an answer is never deleted'); END;

-- What people and machines found out beside the mail: a row an attempt, the newest
-- of a name counts, in its round only. A reviewer says how it was checked; a second
-- admin says it through his own link. A failed one holds the case.
CREATE TABLE evidence (
    id          INTEGER PRIMARY KEY,
    case_id     INTEGER NOT NULL REFERENCES reset_case (id),
    round       INTEGER NOT NULL,
    name        TEXT NOT NULL CHECK (name <> '' AND length(name) <= 40), -- of the operator's rule
    how         TEXT NOT NULL CHECK (how IN ('callback', 'invoice', 'pin', 'dns', 'second_admin', 'free')),
    result      TEXT NOT NULL CHECK (result IN ('pass', 'fail', 'unknown')),
    words       TEXT NOT NULL CHECK (trim(words) <> '' AND length(words) <= 2000), -- what was done, and seen
    reviewer_id INTEGER REFERENCES reviewer (id),
    session     BLOB,
    link        BLOB REFERENCES owner_link (hash),
    at          INTEGER NOT NULL,
    audit_seq   INTEGER NOT NULL UNIQUE REFERENCES audit (seq),
    CHECK ((reviewer_id IS NULL) <> (link IS NULL) AND (reviewer_id IS NULL) = (session IS NULL)),
    CHECK (how <> 'second_admin' OR result <> 'pass' OR link IS NOT NULL)
) STRICT;

CREATE INDEX evidence_of_case ON evidence (case_id, round, name, id);

CREATE TRIGGER evidence_new BEFORE INSERT ON evidence
WHEN NEW.id IS NOT (SELECT coalesce(max(id), 0) + 1 FROM evidence)
    OR NOT EXISTS (SELECT 1 FROM reset_case c JOIN audit a ON a.seq = NEW.audit_seq AND a.object = c.number AND a.action = 'evidence.recorded'
            AND a.actor = CASE WHEN NEW.link IS NULL THEN 'reviewer:' || NEW.reviewer_id ELSE 'owner' END
        WHERE c.id = NEW.case_id AND c.round = NEW.round AND c.state IN ('open', 'held'))
    OR NOT EXISTS (
        SELECT 1 FROM session s JOIN reviewer r ON r.id = s.reviewer_id
        WHERE s.hash = NEW.session AND s.reviewer_id = NEW.reviewer_id AND s.ended_at IS NULL AND s.expires_at > NEW.at
            AND r.disabled_at IS NULL AND r.role IN ('reviewer', 'lead', 'admin')
            AND NOT EXISTS (SELECT 1 FROM address d JOIN reset_case k ON k.account_id = d.account_id WHERE k.id = NEW.case_id AND d.lookup = r.email)
        UNION ALL
        SELECT 1 FROM owner_link l WHERE l.hash = NEW.link AND l.case_id = NEW.case_id AND l.round = NEW.round
            AND l.purpose = 'vouch' AND NEW.how = 'second_admin' AND NEW.at < l.expires_at
            AND (NEW.result = 'fail' OR NOT EXISTS (SELECT 1 FROM answer o JOIN owner_link y ON y.hash = o.link
                JOIN address b ON b.id = y.address_id JOIN address d ON d.id = l.address_id AND d.lookup = b.lookup
                WHERE o.case_id = NEW.case_id AND o.round = NEW.round AND o.answer = 'yes')))
BEGIN SELECT RAISE(ABORT, 'evidence is recorded by an entitled reviewer, or by a second admin through his link'); END;

CREATE TRIGGER evidence_fixed BEFORE UPDATE ON evidence
BEGIN SELECT RAISE(ABORT, 'evidence is never changed'); END;
CREATE TRIGGER evidence_kept BEFORE DELETE ON evidence
BEGIN SELECT RAISE(ABORT, 'evidence is never deleted'); END;

-- Who works on a case at present. It lets nobody in and keeps nobody out, and ends
-- by itself; the audit has its history.
CREATE TABLE case_claim (
    case_id     INTEGER PRIMARY KEY REFERENCES reset_case (id),
    reviewer_id INTEGER NOT NULL REFERENCES reviewer (id),
    since       INTEGER NOT NULL,
    until       INTEGER NOT NULL
) STRICT;

CREATE INDEX case_claim_of_reviewer ON case_claim (reviewer_id, until);

-- Threat mode (design 4): a row a turn of the switch, the last one holds. Turning it
-- on takes a lead or an admin, turning it off a fresh second factor as well, or the
-- host. While it is on no reset has fewer than two approvals.
CREATE TABLE threat_turn (
    id          INTEGER PRIMARY KEY,
    active      INTEGER NOT NULL CHECK (active IN (0, 1)),
    reviewer_id INTEGER REFERENCES reviewer (id), -- NULL: on the host
    session     BLOB,
    reason      TEXT NOT NULL CHECK (trim(reason) <> ''),
    at          INTEGER NOT NULL,
    audit_seq   INTEGER NOT NULL UNIQUE REFERENCES audit (seq),
    CHECK ((reviewer_id IS NULL) = (session IS NULL))
) STRICT;

CREATE TRIGGER threat_turn_new BEFORE INSERT ON threat_turn
WHEN NEW.id IS NOT (SELECT coalesce(max(id), 0) + 1 FROM threat_turn)
    OR NEW.active = coalesce((SELECT active FROM threat_turn ORDER BY id DESC LIMIT 1), 0)
    OR NOT EXISTS (SELECT 1 FROM audit a WHERE a.seq = NEW.audit_seq AND a.object = 'installation'
        AND a.action = CASE NEW.active WHEN 1 THEN 'threat.on' ELSE 'threat.off' END
        AND a.actor = CASE WHEN NEW.reviewer_id IS NULL THEN 'host' ELSE 'reviewer:' || NEW.reviewer_id END)
    OR (NEW.reviewer_id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM session s JOIN reviewer r ON r.id = s.reviewer_id
        WHERE s.hash = NEW.session AND s.reviewer_id = NEW.reviewer_id AND s.ended_at IS NULL AND s.expires_at > NEW.at
            AND r.disabled_at IS NULL AND r.role IN ('lead', 'admin')
            AND (NEW.active = 1 OR (NEW.at >= s.step_up_at AND NEW.at - s.step_up_at <= 300000000))))
BEGIN SELECT RAISE(ABORT, 'threat mode is switched by a lead, an admin or the host, and recorded'); END;

CREATE TRIGGER threat_turn_fixed BEFORE UPDATE ON threat_turn
BEGIN SELECT RAISE(ABORT, 'a turn of the threat switch is never changed'); END;
CREATE TRIGGER threat_turn_kept BEFORE DELETE ON threat_turn
BEGIN SELECT RAISE(ABORT, 'a turn of the threat switch is never deleted'); END;

-- Until when no user of an account is reset; the last row of an account holds. A
-- lead or an admin with a fresh second factor lifts a freeze or shortens it.
CREATE TABLE account_freeze (
    id          INTEGER PRIMARY KEY,
    account_id  TEXT NOT NULL REFERENCES account (id),
    until       INTEGER NOT NULL,     -- at or before at: lifted
    reviewer_id INTEGER NOT NULL REFERENCES reviewer (id),
    session     BLOB NOT NULL,
    reason      TEXT NOT NULL CHECK (trim(reason) <> ''),
    at          INTEGER NOT NULL,
    audit_seq   INTEGER NOT NULL UNIQUE REFERENCES audit (seq)
) STRICT;

CREATE INDEX account_freeze_of_account ON account_freeze (account_id, id);

CREATE TRIGGER account_freeze_new BEFORE INSERT ON account_freeze
WHEN NEW.id IS NOT (SELECT coalesce(max(id), 0) + 1 FROM account_freeze)
    OR NOT EXISTS (SELECT 1 FROM audit a WHERE a.seq = NEW.audit_seq AND a.object = NEW.account_id AND a.actor = 'reviewer:' || NEW.reviewer_id
        AND a.action = CASE WHEN NEW.until > NEW.at THEN 'account.frozen' ELSE 'account.unfrozen' END)
    OR NOT EXISTS (SELECT 1 FROM session s JOIN reviewer r ON r.id = s.reviewer_id
        WHERE s.hash = NEW.session AND s.reviewer_id = NEW.reviewer_id AND s.ended_at IS NULL AND s.expires_at > NEW.at
            AND r.disabled_at IS NULL AND r.role IN ('reviewer', 'lead', 'admin')
            AND (NEW.until >= coalesce((SELECT until FROM account_freeze WHERE account_id = NEW.account_id ORDER BY id DESC LIMIT 1), 0)
                OR (r.role IN ('lead', 'admin') AND NEW.at >= s.step_up_at AND NEW.at - s.step_up_at <= 300000000)))
BEGIN SELECT RAISE(ABORT, 'a freeze is set by a reviewer, lifted by a lead or an admin, and recorded'); END;

CREATE TRIGGER account_freeze_fixed BEFORE UPDATE ON account_freeze
BEGIN SELECT RAISE(ABORT, 'a freeze is never changed'); END;
CREATE TRIGGER account_freeze_kept BEFORE DELETE ON account_freeze
BEGIN SELECT RAISE(ABORT, 'a freeze is never deleted'); END;

-- The vote of one reviewer, after a fresh second factor, over the evidence that
-- was on the screen. It counts in its round only, until it expires. person is who
-- the reviewer is, whichever of several addresses of one mailbox the reviewer signed
-- in with (rita+desk@host.example is rita@host.example): one person, one vote.
CREATE TABLE approval (
    id            INTEGER PRIMARY KEY,
    case_id       INTEGER NOT NULL REFERENCES reset_case (id),
    round         INTEGER NOT NULL,
    user_id       TEXT NOT NULL REFERENCES panel_user (id),
    generation    INTEGER NOT NULL,
    reviewer_id   INTEGER NOT NULL REFERENCES reviewer (id),
    session       BLOB NOT NULL,
    step_up_at    INTEGER NOT NULL,
    evidence_hash BLOB NOT NULL CHECK (length(evidence_hash) = 32),
    person        TEXT NOT NULL CHECK (person NOT LIKE '%+%@%'),
    reason        TEXT NOT NULL CHECK (trim(reason) <> ''),
    decided_at    INTEGER NOT NULL,
    expires_at    INTEGER NOT NULL,
    audit_seq     INTEGER NOT NULL UNIQUE REFERENCES audit (seq),
    CHECK (decided_at >= step_up_at AND decided_at - step_up_at <= 300000000),
    CHECK (expires_at > decided_at AND expires_at - decided_at <= 7776000000000)
) STRICT;

CREATE INDEX approval_by_time ON approval (decided_at);
CREATE INDEX approval_of_case ON approval (case_id, round);

-- The votes that can count: those of reviewers who may still vote, with the factor
-- that they voted with. Whom the desk shut out meanwhile, or whose factor was taken
-- away, may have been somebody else when he voted.
CREATE VIEW vote AS SELECT a.* FROM approval a JOIN reviewer r ON r.id = a.reviewer_id
    WHERE r.disabled_at IS NULL AND r.role IN ('reviewer', 'lead', 'admin')
        AND NOT EXISTS (SELECT 1 FROM staff_reset f WHERE f.reviewer_id = a.reviewer_id AND f.confirmed_at >= a.decided_at);

CREATE TRIGGER approval_once BEFORE INSERT ON approval
WHEN EXISTS (SELECT 1 FROM vote v WHERE v.case_id = NEW.case_id AND v.round = NEW.round AND v.generation = NEW.generation
    AND (v.reviewer_id = NEW.reviewer_id OR v.person = NEW.person) AND v.expires_at > NEW.decided_at)
BEGIN SELECT RAISE(ABORT, 'a person has one vote that counts'); END;

CREATE TRIGGER approval_new BEFORE INSERT ON approval
WHEN EXISTS (SELECT 1 FROM approval WHERE id = NEW.id)
    OR NOT EXISTS (SELECT 1 FROM reset_case c JOIN holder h ON h.id = c.user_id
        WHERE c.id = NEW.case_id AND c.state = 'open' AND c.round = NEW.round
            AND c.user_id = NEW.user_id AND h.generation = NEW.generation)
BEGIN SELECT RAISE(ABORT, 'an approval is for the open case, its user and generation'); END;

CREATE TRIGGER approval_person BEFORE INSERT ON approval
WHEN NOT EXISTS (SELECT 1 FROM session s JOIN reviewer r ON r.id = s.reviewer_id
        WHERE s.hash = NEW.session AND s.reviewer_id = NEW.reviewer_id AND s.ended_at IS NULL
            AND s.expires_at > NEW.decided_at AND s.step_up_at = NEW.step_up_at AND s.factor_at > 0
            AND r.disabled_at IS NULL AND r.role IN ('reviewer', 'lead', 'admin')
            AND (r.email = NEW.person
                OR r.email LIKE replace(replace(replace(replace(NEW.person, '!', '!!'), '_', '!_'), '%', '!%'), '@', '+%@') ESCAPE '!')
            AND NOT EXISTS (SELECT 1 FROM reset_case k LEFT JOIN address d ON d.account_id = k.account_id
                WHERE k.id = NEW.case_id AND (NEW.person IN (d.lookup, k.requester)
                    OR d.lookup LIKE replace(replace(replace(replace(NEW.person, '!', '!!'), '_', '!_'), '%', '!%'), '@', '+%@') ESCAPE '!'
                    OR k.requester LIKE replace(replace(replace(replace(NEW.person, '!', '!!'), '_', '!_'), '%', '!%'), '@', '+%@') ESCAPE '!')))
    OR NOT EXISTS (SELECT 1 FROM audit a JOIN reset_case c ON c.number = a.object
        WHERE a.seq = NEW.audit_seq AND a.action = 'case.approved' AND c.id = NEW.case_id
            AND a.actor = 'reviewer:' || NEW.reviewer_id)
BEGIN SELECT RAISE(ABORT, 'an approval needs an entitled reviewer who stepped up and is nobody of the account'); END;

CREATE TRIGGER approval_fixed BEFORE UPDATE ON approval
BEGIN SELECT RAISE(ABORT, 'an approval is never changed'); END;
CREATE TRIGGER approval_kept BEFORE DELETE ON approval
BEGIN SELECT RAISE(ABORT, 'an approval is never deleted'); END;

-- The one act that clears. It exists only on top of approvals and the owner's
-- yes, all of the case's present round.
CREATE TABLE reset (
    id                 INTEGER PRIMARY KEY,
    case_id            INTEGER NOT NULL UNIQUE REFERENCES reset_case (id),
    approval_id        INTEGER NOT NULL UNIQUE REFERENCES approval (id), -- the last vote needed
    answer_id          INTEGER NOT NULL UNIQUE REFERENCES answer (id),
    user_id            TEXT NOT NULL REFERENCES panel_user (id),
    generation         INTEGER NOT NULL,
    approvals_required INTEGER NOT NULL CHECK (approvals_required >= 1),
    evidence_required  INTEGER NOT NULL CHECK (evidence_required >= 0), -- rows that the policy demanded
    wait_until         INTEGER NOT NULL,
    cleared_at         INTEGER NOT NULL,
    hold_until         INTEGER NOT NULL CHECK (hold_until >= cleared_at),
    audit_seq          INTEGER NOT NULL UNIQUE REFERENCES audit (seq),
    UNIQUE (user_id, generation),
    CHECK (cleared_at >= wait_until)
) STRICT;

CREATE TRIGGER reset_new BEFORE INSERT ON reset
WHEN EXISTS (SELECT 1 FROM reset WHERE id = NEW.id)
    OR NOT EXISTS (
        SELECT 1 FROM reset_case c
            JOIN holder h ON h.id = c.user_id
            JOIN vote a ON a.id = NEW.approval_id AND a.case_id = c.id AND a.round = c.round
                AND a.user_id = c.user_id AND a.generation = h.generation AND a.decided_at <= NEW.cleared_at AND a.expires_at > NEW.cleared_at
            JOIN answer o ON o.id = NEW.answer_id AND o.case_id = c.id AND o.round = c.round
                AND o.answer = 'yes' AND o.user_id = c.user_id AND o.at <= NEW.cleared_at
            JOIN audit e ON e.seq = NEW.audit_seq AND e.action = 'case.cleared' AND e.object = c.number
        WHERE c.id = NEW.case_id AND c.state IN ('open', 'clearing')
            AND c.user_id = NEW.user_id AND h.generation = NEW.generation AND h.verified_at <= c.watched_from
            AND NEW.approvals_required <= (SELECT count(DISTINCT v.person) FROM vote v
                WHERE v.case_id = c.id AND v.round = c.round AND v.generation = h.generation AND v.expires_at > NEW.cleared_at)
            AND NEW.approvals_required > coalesce((SELECT active FROM threat_turn ORDER BY id DESC LIMIT 1), 0)
            AND NEW.cleared_at >= coalesce((SELECT until FROM account_freeze WHERE account_id = c.account_id ORDER BY id DESC LIMIT 1), 0)
            AND NEW.evidence_required <= (SELECT count(*) FROM evidence v WHERE v.case_id = c.id AND v.round = c.round AND v.result = 'pass'
                AND v.id = (SELECT max(id) FROM evidence WHERE case_id = c.id AND round = c.round AND name = v.name))
            AND NOT EXISTS (SELECT 1 FROM evidence v WHERE v.case_id = c.id AND v.round = c.round AND v.result = 'fail'
                AND v.id = (SELECT max(id) FROM evidence WHERE case_id = c.id AND round = c.round AND name = v.name))
            AND NOT EXISTS (SELECT 1 FROM answer n WHERE n.case_id = c.id AND n.round = c.round AND n.answer = 'no')
            AND NOT EXISTS (SELECT 1 FROM signal s WHERE s.user_id = c.user_id AND s.kind = 'logged_in' AND s.second_factor = 1
                AND s.received_at > c.watched_from AND s.at > c.watched_from - 300000000)
            AND (EXISTS (SELECT 1 FROM panel_request WHERE case_id = c.id AND serial = c.opener_request)
                OR EXISTS (SELECT 1 FROM hand_request q WHERE q.case_id = c.id AND q.id = c.opener_hand
                    AND (EXISTS (SELECT 1 FROM vote v WHERE v.case_id = c.id AND v.round = c.round AND v.generation = h.generation
                            AND v.expires_at > NEW.cleared_at AND v.person <> q.person AND v.reviewer_id <> q.reviewer_id)
                        OR NEW.approvals_required = 1 AND EXISTS (SELECT 1 FROM audit WHERE object = c.number AND action = 'case.decided_alone')))
                OR EXISTS (SELECT 1 FROM case_mail m JOIN assessment s ON s.inbound_id = m.inbound_id
                    WHERE m.case_id = c.id AND m.inbound_id = c.opener_mail AND s.verdict IN ('authenticated', 'partial', 'unverified'))))
BEGIN SELECT RAISE(ABORT, 'a reset needs recorded approvals and the owner''s yes'); END;

CREATE TRIGGER reset_fixed BEFORE UPDATE ON reset
BEGIN SELECT RAISE(ABORT, 'a reset is never changed'); END;
CREATE TRIGGER reset_kept BEFORE DELETE ON reset
BEGIN SELECT RAISE(ABORT, 'a reset is never deleted'); END;

-- An owner took a reset back within its hold.
CREATE TABLE undo (
    reset_id  INTEGER PRIMARY KEY REFERENCES reset (id),
    at        INTEGER NOT NULL,
    link      BLOB NOT NULL REFERENCES owner_link (hash),
    ip        TEXT NOT NULL,
    audit_seq INTEGER NOT NULL UNIQUE REFERENCES audit (seq)
) STRICT;

CREATE TRIGGER undo_new BEFORE INSERT ON undo
WHEN EXISTS (SELECT 1 FROM undo WHERE reset_id = NEW.reset_id)
    OR NOT EXISTS (SELECT 1 FROM reset r JOIN reset_case c ON c.id = r.case_id
        JOIN owner_link l ON l.hash = NEW.link AND l.case_id = c.id AND l.purpose = 'undo'
        JOIN audit e ON e.seq = NEW.audit_seq AND e.action = 'case.undone' AND e.object = c.number
        WHERE r.id = NEW.reset_id AND c.state = 'cleared' AND NEW.at <= r.hold_until AND NEW.at < l.expires_at)
BEGIN SELECT RAISE(ABORT, 'an undo comes through its link, within the hold'); END;

CREATE TRIGGER undo_fixed BEFORE UPDATE ON undo
BEGIN SELECT RAISE(ABORT, 'an undo is never changed'); END;
CREATE TRIGGER undo_kept BEFORE DELETE ON undo
BEGIN SELECT RAISE(ABORT, 'an undo is never deleted'); END;

---------------------------------------------------------------------------
-- Letters: the outbox
---------------------------------------------------------------------------

-- A letter is rendered in the transaction that owes it, sealed, and sent as it
-- stands, so that a repeat is byte-identical (promises 3.3). Its recipient is a
-- row of address, never text from a mail. state 'dot' is committed before the
-- final dot is written: only then may a crash leave it uncertain.
--
-- It belongs to a case, or to one user. Then its topic says what it tells of,
-- once to each address: 'event:17' the factor_event 17, 'due:2027-01-31:7' that
-- a factor is mandatory from that day, told 7 days before it. Or it belongs to a
-- reviewer, goes to the reviewer's own address, and tells of an audit event:
-- 'audit:311'.
CREATE TABLE letter (
    id         INTEGER PRIMARY KEY,
    case_id    INTEGER REFERENCES reset_case (id),
    reset_id   INTEGER REFERENCES reset (id),
    round      INTEGER NOT NULL,            -- of the case; 0 without one
    serial     INTEGER NOT NULL DEFAULT 1,  -- counts repeats that a person asked for
    user_id    TEXT REFERENCES panel_user (id),
    reviewer_id INTEGER REFERENCES reviewer (id),
    topic      TEXT,
    kind       TEXT NOT NULL CHECK (kind IN ('acknowledgement', 'notice', 'cleared', 'pass', 'rejected', 'undone', 'withdrawn', 'vouch',
                   'enrolled', 'replaced', 'device_added', 'device_removed', 'turned_off', 'codes_renewed', 'code_used',
                   'codes_low', 'code_repeated', 'locked', 'alarm', 'reminder', 'staff', 'test', 'invitation')),
    address_id INTEGER,                     -- NULL: to a reviewer
    recipient  TEXT NOT NULL,
    message_id TEXT NOT NULL UNIQUE,
    subject    TEXT NOT NULL,
    sealed     BLOB NOT NULL,               -- the whole MIME entity
    sha256     BLOB NOT NULL CHECK (length(sha256) = 32), -- of the MIME entity: sealing it again keeps the bytes
    state      TEXT NOT NULL CHECK (state IN ('queued', 'sending', 'dot', 'sent', 'failed')),
    epoch      TEXT NOT NULL DEFAULT '',    -- which run of the program holds it
    attempt    INTEGER NOT NULL DEFAULT 0,
    next_at    INTEGER NOT NULL,
    queued_at  INTEGER NOT NULL,
    tried_at   INTEGER,                     -- when its first attempt began: budgets and the time to give up count from here
    changed_at INTEGER NOT NULL,
    response   TEXT NOT NULL DEFAULT '',
    uncertain  INTEGER NOT NULL DEFAULT 0,  -- how often nobody could know whether it arrived
    FOREIGN KEY (address_id, recipient) REFERENCES address (id, address),
    FOREIGN KEY (reviewer_id, recipient) REFERENCES reviewer (id, email),
    UNIQUE (case_id, round, kind, address_id, serial),
    CHECK ((kind IN ('cleared', 'pass', 'undone')) = (reset_id IS NOT NULL)),
    CHECK ((case_id IS NOT NULL) = (kind IN ('acknowledgement', 'notice', 'cleared', 'pass', 'rejected', 'undone', 'withdrawn', 'vouch'))),
    CHECK ((case_id IS NOT NULL) + (user_id IS NOT NULL) + (reviewer_id IS NOT NULL) = 1 AND (case_id IS NULL) = (topic IS NOT NULL)),
    CHECK ((reviewer_id IS NOT NULL) = (kind IN ('staff', 'test', 'invitation')) AND (reviewer_id IS NULL) = (address_id IS NOT NULL)),
    CHECK (case_id IS NOT NULL OR (round = 0 AND serial = 1)),
    CHECK (case_id IS NOT NULL OR topic LIKE CASE kind WHEN 'reminder' THEN 'due:____-__-__:_' WHEN 'staff' THEN 'audit:_%' WHEN 'test' THEN 'audit:_%' WHEN 'invitation' THEN 'audit:_%' ELSE 'event:_%' END)
) STRICT;

CREATE INDEX letter_key ON letter (substr(sealed, 2, 4)); -- the id of the key that sealed it
CREATE INDEX letter_due ON letter (next_at, id) WHERE state IN ('queued', 'sending', 'dot');
CREATE INDEX letter_set_off_by_mail ON letter (tried_at) WHERE kind IN ('acknowledgement', 'notice'); -- the budgets count here
CREATE INDEX letter_put_off ON letter (next_at) WHERE state = 'queued' AND tried_at IS NULL;
CREATE INDEX letter_failed ON letter (changed_at) WHERE state = 'failed';
CREATE INDEX letter_of_case ON letter (case_id);
CREATE INDEX letter_of_reset ON letter (reset_id, kind) WHERE reset_id IS NOT NULL;
CREATE UNIQUE INDEX letter_of_user ON letter (user_id, topic, address_id) WHERE user_id IS NOT NULL;
CREATE INDEX letter_to_user_lately ON letter (user_id, queued_at) WHERE user_id IS NOT NULL;

CREATE TRIGGER letter_new BEFORE INSERT ON letter
WHEN NEW.state <> 'queued' OR NEW.attempt <> 0
    OR EXISTS (SELECT 1 FROM letter WHERE id = NEW.id)
    OR (NEW.user_id IS NULL AND NEW.reviewer_id IS NULL AND NOT EXISTS (SELECT 1 FROM reset_case c JOIN address a ON a.id = NEW.address_id
        WHERE c.id = NEW.case_id AND c.round = NEW.round
            AND (a.account_id = c.account_id OR (c.account_id IS NULL AND a.lookup = c.requester))
            AND (a.role IN ('admin', 'notify') OR a.user_id = c.user_id) AND (a.until IS NULL OR NEW.kind IN ('cleared', 'notice'))
            AND (NEW.reset_id IS NULL OR EXISTS (SELECT 1 FROM reset WHERE id = NEW.reset_id AND case_id = c.id))
            AND (NEW.kind <> 'acknowledgement' OR a.role = 'admin')
            AND (NEW.kind <> 'vouch' OR (a.role = 'admin' AND a.lookup <> c.requester))
            AND (NEW.kind <> 'pass' OR a.user_id = c.user_id)))
BEGIN SELECT RAISE(ABORT, 'a letter goes to a stored address of its account'); END;

-- To the user's own address. Where somebody made the account weaker its contacts
-- are told too, those of the last 30 days among them, or whoever takes an address
-- away first would go unseen; of guessing its admins; and these are told in place
-- of a user who has no address.
CREATE TRIGGER letter_to_user BEFORE INSERT ON letter
WHEN NEW.user_id IS NOT NULL AND NOT EXISTS (
    SELECT 1 FROM panel_user u JOIN address a ON a.account_id = u.account_id
    WHERE u.id = NEW.user_id AND a.id = NEW.address_id AND (a.until IS NULL
        AND (a.user_id = u.id
            OR (a.role = 'admin' AND NEW.kind IN ('device_removed', 'turned_off', 'locked', 'alarm'))
            OR (a.role = 'notify' AND NEW.kind IN ('device_removed', 'turned_off'))
            OR (a.role = 'admin' AND NOT EXISTS (SELECT 1 FROM address WHERE user_id = u.id AND until IS NULL)))
        OR a.until > NEW.queued_at - 2592000000000 AND NEW.kind IN ('device_removed', 'turned_off')
            AND (a.role <> 'user' OR a.user_id = u.id)))
BEGIN SELECT RAISE(ABORT, 'a letter to a user goes to a current address of the user, or to contacts who must know'); END;

CREATE TRIGGER letter_cause BEFORE INSERT ON letter
WHEN NEW.user_id IS NOT NULL AND NOT EXISTS (
    SELECT 1 FROM factor_event e
    WHERE e.id = CAST(substr(NEW.topic, 7) AS INTEGER) AND NEW.topic = 'event:' || e.id AND e.user_id = NEW.user_id AND e.kind = NEW.kind
    UNION ALL
    SELECT 1 FROM panel_user u JOIN holder h ON h.id = u.id
    WHERE NEW.kind = 'reminder' AND u.id = NEW.user_id AND u.removed_at IS NULL AND h.api_only = 0
        AND NOT EXISTS (SELECT 1 FROM credential WHERE user_id = u.id AND state = 'active'))
BEGIN SELECT RAISE(ABORT, 'a letter to a user tells of an event, or reminds who has yet to enroll'); END;

-- Admins are told of every reset of a reviewer, and so is the reviewer. Admins
-- get signed heads of the audit as well. A reviewer
-- who wants to see a letter as it arrives sends it to the own address, and nobody else's.
-- An invitation goes to whom it lets in, made by the same transaction, and to nobody
-- else: an admin who had the link could be two persons.
CREATE UNIQUE INDEX letter_of_reviewer ON letter (reviewer_id, topic) WHERE reviewer_id IS NOT NULL;

CREATE TRIGGER letter_to_reviewer BEFORE INSERT ON letter
WHEN NEW.reviewer_id IS NOT NULL AND NOT EXISTS (
    SELECT 1 FROM audit e JOIN reviewer r ON r.id = NEW.reviewer_id AND r.disabled_at IS NULL
    WHERE NEW.topic = 'audit:' || e.seq AND e.seq = CAST(substr(NEW.topic, 7) AS INTEGER)
        AND (NEW.kind = 'staff' AND e.action IN ('reviewer.reset_asked', 'reviewer.reset', 'reviewer.recovered')
                AND (r.role = 'admin' OR e.object = 'reviewer:' || r.id)
            OR NEW.kind = 'staff' AND e.action = 'audit.head_mailed' AND r.role = 'admin'
            OR NEW.kind = 'test' AND e.action = 'letter.tested' AND e.actor = 'reviewer:' || r.id AND e.object = e.actor
            OR NEW.kind = 'invitation' AND e.action = 'reviewer.invited' AND e.object = 'reviewer:' || r.id AND EXISTS (
                SELECT 1 FROM invitation WHERE reviewer_id = r.id AND used_at IS NULL AND created_at = NEW.queued_at)))
BEGIN SELECT RAISE(ABORT, 'a letter to a reviewer tells admins, or the one concerned, of a reset, has a head for admins, invites that person, or was asked for by the reviewer'); END;

CREATE TRIGGER letter_fixed BEFORE UPDATE ON letter
WHEN NEW.id <> OLD.id OR NEW.case_id IS NOT OLD.case_id OR NEW.reset_id IS NOT OLD.reset_id OR NEW.round <> OLD.round
    OR NEW.user_id IS NOT OLD.user_id OR NEW.reviewer_id IS NOT OLD.reviewer_id OR NEW.topic IS NOT OLD.topic OR NEW.kind <> OLD.kind OR NEW.address_id IS NOT OLD.address_id OR NEW.recipient <> OLD.recipient
    OR NEW.message_id <> OLD.message_id OR NEW.sha256 <> OLD.sha256 OR NEW.subject <> OLD.subject
    OR NEW.attempt < OLD.attempt OR (OLD.tried_at IS NOT NULL AND NEW.tried_at IS NOT OLD.tried_at)
    OR (OLD.state = 'sent' AND (NEW.state <> 'sent' OR NEW.epoch <> OLD.epoch OR NEW.attempt <> OLD.attempt OR NEW.next_at <> OLD.next_at
        OR NEW.queued_at <> OLD.queued_at OR NEW.changed_at <> OLD.changed_at OR NEW.response <> OLD.response OR NEW.uncertain <> OLD.uncertain))
BEGIN SELECT RAISE(ABORT, 'a letter keeps its words and its recipient'); END;

CREATE TRIGGER letter_state BEFORE UPDATE OF state ON letter
WHEN NOT (NEW.state = OLD.state
    OR (OLD.state = 'queued' AND NEW.state IN ('sending', 'failed'))
    OR (OLD.state = 'queued' AND NEW.state = 'sent' AND OLD.uncertain > 0) -- seen after its dot
    OR (OLD.state = 'sending' AND NEW.state IN ('queued', 'dot', 'failed'))
    OR (OLD.state = 'dot' AND NEW.state IN ('sent', 'queued', 'sending', 'failed'))
    OR (OLD.state = 'failed' AND NEW.state = 'queued'))
BEGIN SELECT RAISE(ABORT, 'a letter is sent only after its dot'); END;

CREATE TRIGGER letter_kept BEFORE DELETE ON letter
BEGIN SELECT RAISE(ABORT, 'a letter is never deleted'); END;

-- What a mail server wrote about a letter that it had taken. The mail must be one
-- that was taken in, and the letter one that may have gone out. Words are the
-- server's own: a stranger's. A letter fails once, however many say so.
CREATE TABLE bounce (
    id         INTEGER PRIMARY KEY,
    letter_id  INTEGER NOT NULL REFERENCES letter (id),
    inbound_id INTEGER NOT NULL REFERENCES inbound (id),
    action     TEXT NOT NULL CHECK (action IN ('failed', 'delayed', 'delivered')),
    class      TEXT NOT NULL CHECK (class IN ('unknown', 'full', 'closed', 'refused', 'network', 'other')),
    status     TEXT NOT NULL CHECK (length(status) <= 11),
    words      TEXT NOT NULL CHECK (length(words) <= 300),
    at         INTEGER NOT NULL,
    UNIQUE (letter_id, inbound_id)
) STRICT;

CREATE UNIQUE INDEX bounce_fails_once ON bounce (letter_id) WHERE action = 'failed';
CREATE INDEX bounce_lately ON bounce (at) WHERE action = 'failed';

CREATE TRIGGER bounce_new BEFORE INSERT ON bounce
WHEN EXISTS (SELECT 1 FROM bounce WHERE id = NEW.id)
    OR NOT EXISTS (SELECT 1 FROM letter WHERE id = NEW.letter_id AND (state IN ('dot', 'sent') OR uncertain > 0))
BEGIN SELECT RAISE(ABORT, 'only a letter that went out comes back'); END;
CREATE TRIGGER bounce_fixed BEFORE UPDATE ON bounce
BEGIN SELECT RAISE(ABORT, 'what was said of a letter is a record'); END;
CREATE TRIGGER bounce_kept BEFORE DELETE ON bounce
BEGIN SELECT RAISE(ABORT, 'what was said of a letter is a record'); END;

---------------------------------------------------------------------------
-- Webhooks: what happened, told to the systems of the operator
---------------------------------------------------------------------------

-- An endpoint. cursor is the last audit event whose delivery, if it wants one,
-- stands in webhook_delivery. One delivery at a time is under way to it:
-- leased_until is when the next may be tried if nobody hears of this one again.
CREATE TABLE webhook (
    id           INTEGER PRIMARY KEY,
    url          TEXT NOT NULL CHECK (url LIKE 'https://%' OR url LIKE 'http://%'),
    events       TEXT NOT NULL,           -- types that it wants, separated by spaces; '': all
    sealed       BLOB,                    -- the secret; NULL: removed
    old_sealed   BLOB,                    -- the one before, which signs too until old_until
    old_until    INTEGER NOT NULL DEFAULT 0,
    cursor       INTEGER NOT NULL,
    leased_until INTEGER NOT NULL DEFAULT 0,
    created_at   INTEGER NOT NULL,
    disabled_at  INTEGER,                 -- it answered 410
    removed_at   INTEGER,
    CHECK ((sealed IS NULL) = (removed_at IS NOT NULL)),
    CHECK ((old_sealed IS NULL) = (old_until = 0))
) STRICT;

CREATE INDEX webhook_by_key ON webhook (substr(sealed, 2, 4)) WHERE sealed IS NOT NULL;
CREATE INDEX webhook_by_old_key ON webhook (substr(old_sealed, 2, 4)) WHERE old_sealed IS NOT NULL;

CREATE TRIGGER webhook_new BEFORE INSERT ON webhook
WHEN EXISTS (SELECT 1 FROM webhook WHERE id = NEW.id)
BEGIN SELECT RAISE(ABORT, 'a webhook keeps its address, and is never told twice'); END;

CREATE TRIGGER webhook_fixed BEFORE UPDATE ON webhook
WHEN NEW.id <> OLD.id OR NEW.url <> OLD.url OR NEW.events <> OLD.events OR NEW.created_at <> OLD.created_at
    OR NEW.cursor < OLD.cursor OR (OLD.removed_at IS NOT NULL AND NEW.removed_at IS NOT OLD.removed_at)
BEGIN SELECT RAISE(ABORT, 'a webhook keeps its address, and is never told twice'); END;

CREATE TRIGGER webhook_kept BEFORE DELETE ON webhook
BEGIN SELECT RAISE(ABORT, 'a webhook is removed, never deleted'); END;

-- One event for one endpoint. A repeat has the same bytes. attempt counts all
-- attempts and names the one under way; base is how many there were before the
-- last replay.
CREATE TABLE webhook_delivery (
    id         INTEGER PRIMARY KEY,
    webhook_id INTEGER NOT NULL REFERENCES webhook (id),
    seq        INTEGER NOT NULL REFERENCES audit (seq),
    type       TEXT NOT NULL,
    body       TEXT NOT NULL,
    state      TEXT NOT NULL CHECK (state IN ('waiting', 'delivered', 'dead')),
    attempt    INTEGER NOT NULL DEFAULT 0,
    base       INTEGER NOT NULL DEFAULT 0,
    next_at    INTEGER NOT NULL,
    status     INTEGER NOT NULL DEFAULT 0,   -- of the last answer; 0: there was none
    answer     TEXT NOT NULL DEFAULT '' CHECK (length(answer) <= 200),
    queued_at  INTEGER NOT NULL,
    changed_at INTEGER NOT NULL,
    UNIQUE (webhook_id, seq)
) STRICT;

CREATE INDEX webhook_delivery_due ON webhook_delivery (webhook_id, next_at, id) WHERE state = 'waiting';
CREATE INDEX webhook_delivery_dead ON webhook_delivery (webhook_id) WHERE state = 'dead';
CREATE INDEX webhook_delivery_by_age ON webhook_delivery (changed_at) WHERE state <> 'waiting';

CREATE TRIGGER webhook_delivery_new BEFORE INSERT ON webhook_delivery
WHEN NEW.state <> 'waiting' OR NEW.attempt <> 0 OR EXISTS (SELECT 1 FROM webhook_delivery WHERE id = NEW.id)
    OR NEW.seq <= (SELECT cursor FROM webhook WHERE id = NEW.webhook_id)
BEGIN SELECT RAISE(ABORT, 'an event is queued once for a webhook'); END;

CREATE TRIGGER webhook_delivery_fixed BEFORE UPDATE ON webhook_delivery
WHEN NEW.id <> OLD.id OR NEW.webhook_id <> OLD.webhook_id OR NEW.seq <> OLD.seq OR NEW.type <> OLD.type OR NEW.body <> OLD.body
    OR NEW.queued_at <> OLD.queued_at OR NEW.attempt < OLD.attempt
    OR (NEW.state = 'delivered' AND OLD.state = 'dead')
BEGIN SELECT RAISE(ABORT, 'a delivery keeps its event and its bytes'); END;

CREATE TRIGGER webhook_delivery_kept BEFORE DELETE ON webhook_delivery
WHEN OLD.state = 'waiting'
BEGIN SELECT RAISE(ABORT, 'a delivery that waits is not deleted'); END;

---------------------------------------------------------------------------
-- The queue: what the lists of the desk show, so that no list has to judge
---------------------------------------------------------------------------

-- A case as the lists show it. It is written by the transaction that changes
-- the case, from the judgement of that moment; nothing is decided by it. A closed
-- case keeps the risk that it was closed with.
CREATE TABLE case_summary (
    case_id    INTEGER PRIMARY KEY REFERENCES reset_case (id),
    tab        TEXT NOT NULL CHECK (tab IN ('review', 'owner', 'waiting', 'held', 'closed')),
    place      INTEGER NOT NULL,  -- lists are in this order: the deadline; of a closed case minus the time of closing
    rank       INTEGER NOT NULL CHECK (rank IN (0, 1, 2)), -- High, Medium, Low
    reason     TEXT NOT NULL,     -- the first one of the risk
    verdict    TEXT NOT NULL,
    match      TEXT NOT NULL,
    waits_for  TEXT NOT NULL,
    due_at     INTEGER NOT NULL,
    approvals  INTEGER NOT NULL,
    needed     INTEGER NOT NULL,
    entered_at INTEGER NOT NULL,  -- when it came into its tab
    moves_at   INTEGER            -- when time alone may change this row; NULL: never
) STRICT;

CREATE INDEX case_summary_listed ON case_summary (tab, place, rank, case_id);
CREATE INDEX case_summary_entered ON case_summary (tab, entered_at);
CREATE INDEX case_summary_moves ON case_summary (moves_at) WHERE moves_at IS NOT NULL;

-- By which words a case is found: number, account, user, address, Message-ID; in
-- lower case, found by their beginnings.
CREATE TABLE case_word (
    word    TEXT NOT NULL CHECK (word <> ''),
    case_id INTEGER NOT NULL REFERENCES reset_case (id),
    PRIMARY KEY (word, case_id)
) STRICT;

CREATE INDEX case_word_of_case ON case_word (case_id, word);

-- Mails without a case that a person may want to read, by the list they stand in.
CREATE TABLE mail_shelf (
    inbound_id INTEGER PRIMARY KEY REFERENCES inbound (id),
    tab        TEXT NOT NULL CHECK (tab IN ('parked', 'quarantine'))
) STRICT;

CREATE INDEX mail_shelf_listed ON mail_shelf (tab, inbound_id);

-- How many stand in each list.
CREATE TABLE queue_tally (
    tab TEXT PRIMARY KEY,
    n   INTEGER NOT NULL CHECK (n >= 0)
) STRICT;

CREATE TRIGGER case_summary_came AFTER INSERT ON case_summary
BEGIN INSERT INTO queue_tally (tab, n) VALUES (NEW.tab, 1) ON CONFLICT (tab) DO UPDATE SET n = n + 1; END;

CREATE TRIGGER case_summary_moved AFTER UPDATE OF tab ON case_summary WHEN NEW.tab <> OLD.tab
BEGIN
    UPDATE queue_tally SET n = n - 1 WHERE tab = OLD.tab;
    INSERT INTO queue_tally (tab, n) VALUES (NEW.tab, 1) ON CONFLICT (tab) DO UPDATE SET n = n + 1;
END;

CREATE TRIGGER mail_shelf_came AFTER INSERT ON mail_shelf
BEGIN INSERT INTO queue_tally (tab, n) VALUES (NEW.tab, 1) ON CONFLICT (tab) DO UPDATE SET n = n + 1; END;

CREATE TRIGGER mail_shelf_left AFTER DELETE ON mail_shelf
BEGIN UPDATE queue_tally SET n = n - 1 WHERE tab = OLD.tab; END;

-- Parked has all that a person may want to look at: mail from registered
-- addresses, requests of strangers, and what the server would not hand out.
CREATE TRIGGER mail_shelf_new AFTER INSERT ON inbound WHEN NEW.fate = 'unfetchable'
BEGIN INSERT INTO mail_shelf (inbound_id, tab) VALUES (NEW.id, 'parked'); END;

CREATE TRIGGER mail_shelf_fate AFTER UPDATE OF fate ON inbound WHEN NEW.fate IS NOT OLD.fate
BEGIN
    DELETE FROM mail_shelf WHERE inbound_id = OLD.id;
    INSERT INTO mail_shelf (inbound_id, tab)
        SELECT NEW.id, CASE NEW.fate WHEN 'quarantined' THEN 'quarantine' ELSE 'parked' END
        WHERE NEW.fate IN ('parked', 'unfetchable', 'quarantined')
            OR (NEW.fate = 'passed' AND EXISTS (SELECT 1 FROM assessment WHERE inbound_id = NEW.id AND request = 1));
END;

-- Cases whose summary is to be written anew, before the commit of whatever
-- changed what it rests on. Each table that a judgement reads has a trigger here.
CREATE TABLE case_stale (
    case_id INTEGER PRIMARY KEY REFERENCES reset_case (id)
) STRICT;

CREATE TRIGGER case_stale_new AFTER INSERT ON reset_case
BEGIN INSERT INTO case_stale VALUES (NEW.id) ON CONFLICT DO NOTHING; END;

CREATE TRIGGER case_stale_case AFTER UPDATE OF state, version, round, account_id, user_id, held_reason ON reset_case
BEGIN INSERT INTO case_stale VALUES (NEW.id) ON CONFLICT DO NOTHING; END;

CREATE TRIGGER case_stale_mail AFTER INSERT ON case_mail
BEGIN INSERT INTO case_stale VALUES (NEW.case_id) ON CONFLICT DO NOTHING; END;

CREATE TRIGGER case_stale_request AFTER INSERT ON panel_request
BEGIN INSERT INTO case_stale VALUES (NEW.case_id) ON CONFLICT DO NOTHING; END;

CREATE TRIGGER case_stale_hand AFTER INSERT ON hand_request
BEGIN INSERT INTO case_stale VALUES (NEW.case_id) ON CONFLICT DO NOTHING; END;

CREATE TRIGGER case_stale_letter AFTER INSERT ON letter WHEN NEW.kind IN ('acknowledgement', 'notice')
BEGIN INSERT INTO case_stale VALUES (NEW.case_id) ON CONFLICT DO NOTHING; END;

CREATE TRIGGER case_stale_sent AFTER UPDATE OF state, attempt ON letter WHEN NEW.kind IN ('acknowledgement', 'notice')
BEGIN INSERT INTO case_stale VALUES (NEW.case_id) ON CONFLICT DO NOTHING; END;

CREATE TRIGGER case_stale_answer AFTER INSERT ON answer
BEGIN INSERT INTO case_stale VALUES (NEW.case_id) ON CONFLICT DO NOTHING; END;

CREATE TRIGGER case_stale_approval AFTER INSERT ON approval
BEGIN INSERT INTO case_stale VALUES (NEW.case_id) ON CONFLICT DO NOTHING; END;

-- A reviewer who is let in again, or entitled again, brings votes back: the clock looks
-- at once.
CREATE TRIGGER case_stale_voter AFTER UPDATE OF disabled_at, role, holder_id ON reviewer
BEGIN
    INSERT INTO case_stale SELECT id FROM reset_case WHERE state IN ('open', 'held', 'clearing')
        AND EXISTS (SELECT 1 FROM approval WHERE case_id = reset_case.id AND reviewer_id = NEW.id)
    ON CONFLICT DO NOTHING;
    UPDATE reset_case SET due_at = opened_at WHERE state = 'open'
        AND EXISTS (SELECT 1 FROM approval WHERE case_id = reset_case.id AND reviewer_id = NEW.id);
END;

CREATE TRIGGER case_stale_evidence AFTER INSERT ON evidence
BEGIN INSERT INTO case_stale VALUES (NEW.case_id) ON CONFLICT DO NOTHING; END;

CREATE TRIGGER case_stale_threat AFTER INSERT ON threat_turn
BEGIN INSERT INTO case_stale SELECT id FROM reset_case WHERE state IN ('open', 'held', 'clearing') ON CONFLICT DO NOTHING; END;

CREATE TRIGGER case_stale_freeze AFTER INSERT ON account_freeze
BEGIN
    INSERT INTO case_stale SELECT id FROM reset_case WHERE account_id = NEW.account_id AND state IN ('open', 'held', 'clearing')
    ON CONFLICT DO NOTHING;
END;

CREATE TRIGGER case_stale_domain AFTER INSERT ON account_domain
BEGIN
    INSERT INTO case_stale SELECT id FROM reset_case WHERE account_id = NEW.account_id AND state IN ('open', 'held', 'clearing')
    ON CONFLICT DO NOTHING;
END;

CREATE TRIGGER case_stale_domain_ended AFTER UPDATE OF until ON account_domain
BEGIN
    INSERT INTO case_stale SELECT id FROM reset_case WHERE account_id = NEW.account_id AND state IN ('open', 'held', 'clearing')
    ON CONFLICT DO NOTHING;
END;

CREATE TRIGGER case_stale_reset AFTER INSERT ON reset
BEGIN
    INSERT INTO case_stale SELECT id FROM reset_case WHERE user_id = NEW.user_id AND state IN ('open', 'held', 'clearing')
    ON CONFLICT DO NOTHING;
END;

CREATE TRIGGER case_stale_generation AFTER UPDATE OF generation ON holder
BEGIN
    INSERT INTO case_stale SELECT id FROM reset_case WHERE user_id = NEW.id AND state IN ('open', 'held', 'clearing')
    ON CONFLICT DO NOTHING;
END;

CREATE TRIGGER case_stale_signal AFTER INSERT ON signal
BEGIN
    INSERT INTO case_stale SELECT id FROM reset_case WHERE user_id = NEW.user_id AND state IN ('open', 'held', 'clearing')
    ON CONFLICT DO NOTHING;
END;

CREATE TRIGGER case_stale_imitation AFTER INSERT ON assessment WHEN NEW.verdict = 'quarantine' AND NEW.claimed <> ''
BEGIN
    INSERT INTO case_stale SELECT id FROM reset_case WHERE requester = NEW.claimed AND state IN ('open', 'held', 'clearing')
    ON CONFLICT DO NOTHING;
END;

CREATE TRIGGER case_stale_address AFTER INSERT ON address
BEGIN
    INSERT INTO case_stale SELECT id FROM reset_case WHERE state IN ('open', 'held', 'clearing')
        AND (account_id = NEW.account_id OR requester = NEW.lookup)
    ON CONFLICT DO NOTHING;
END;

CREATE TRIGGER case_stale_address_ended AFTER UPDATE OF until ON address
BEGIN
    INSERT INTO case_stale SELECT id FROM reset_case WHERE state IN ('open', 'held', 'clearing')
        AND (account_id = NEW.account_id OR requester = NEW.lookup)
    ON CONFLICT DO NOTHING;
END;

-- A new name finds the old cases too.
CREATE TRIGGER case_stale_account AFTER UPDATE OF name ON account WHEN NEW.name <> OLD.name
BEGIN INSERT INTO case_stale SELECT id FROM reset_case WHERE account_id = NEW.id ON CONFLICT DO NOTHING; END;

CREATE TRIGGER case_stale_user AFTER UPDATE OF login, full_name ON panel_user WHEN NEW.login <> OLD.login OR NEW.full_name <> OLD.full_name
BEGIN INSERT INTO case_stale SELECT id FROM reset_case WHERE user_id = NEW.id ON CONFLICT DO NOTHING; END;

-- Filters of the queue that a reviewer keeps under a name.
CREATE TABLE saved_view (
    reviewer_id INTEGER NOT NULL REFERENCES reviewer (id),
    name        TEXT NOT NULL CHECK (name <> '' AND length(name) <= 60),
    query       TEXT NOT NULL CHECK (length(query) <= 500),
    saved_at    INTEGER NOT NULL,
    PRIMARY KEY (reviewer_id, name)
) STRICT;
