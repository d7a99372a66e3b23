package main

import (
	"strconv"
	"strings"
)

// Example is what is known when a configuration file is written for somebody.
// Empty fields get a value that shows the form.
type Example struct {
	Listen, BaseURL, Brand string
	MailboxHost, SMTPHost  string
	Address                string // our own mail address
}

// ExampleConfig returns a commented configuration file that loads as it stands.
// Keys that are commented out show their defaults.
func ExampleConfig(e Example) string {
	or := func(value, example string) string {
		if value == "" {
			value = example
		}
		return quoteTOML(value)
	}
	address := e.Address
	if address == "" {
		address = "support@example.net"
	}
	brand := or(e.Brand, "Example")
	from := e.Brand
	if from == "" {
		from = "Example"
	}
	return strings.NewReplacer(
		"LISTEN", or(e.Listen, "127.0.0.1:8080"), "BASE_URL", or(e.BaseURL, "https://reset.example.net"), "BRAND", brand,
		"IMAP", or(e.MailboxHost, "imap.example.net"), "SMTP_HOST", or(e.SMTPHost, "smtp.example.net"),
		"ADDRESS", quoteTOML(address), "FROM", quoteTOML(strconv.Quote(from+" Support")+" <"+address+">"),
	).Replace(exampleText)
}

// quoteTOML writes a TOML basic string. JSON's escapes are TOML's, and what TOML
// cannot hold (control characters) is dropped.
func quoteTOML(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range strings.ToValidUTF8(s, "") {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r >= ' ' && r != 0x7f:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}

const exampleText = `# Configuration of resetdesk. The file is strict: an unknown key is an error.
# Every key can come from the environment too, where it wins: RESETDESK_MAILBOX_HOST.
# Durations carry their unit: "15m", "2h", "14d". Relative paths start in this folder.

[server]
listen = LISTEN
base_url = BASE_URL   # what owners and staff open; https unless on loopback
brand = BRAND                  # your company, as your users know it
# panel_url = "https://panel.example.net"    # where users sign in
# phone = "+49 30 1234567"                   # where owners can call
# trusted_proxies = ["127.0.0.1/32"]         # whose X-Forwarded-For counts
# metrics = "127.0.0.1:9464"                 # /metrics for Prometheus and /healthz, without a sign-in

# [server.sso]                         # staff sign in with OpenID Connect, and give a second factor of the desk's after it
# issuer = "https://id.example.net"    # exactly as the provider writes it; redirect address there: base_url + /sign-in/sso/callback
# client_id = "resetdesk"
# client_secret_file = "sso.secret"    # or "" for a public client
# name = "Example ID"                  # the button says: Continue with Example ID
# scopes = ["profile", "email"]        # beside openid
# acr = []                             # one of these must be in the token, such as "phr"
# amr = []                             # one of these, such as "mfa"
# only = false                         # true: nobody signs in with a password or a passkey
# groups_claim = "groups"

# [server.sso.roles]                   # then the groups say who is what; without, an admin does, and invites
# viewer = []
# auditor = []
# reviewer = ["support"]
# lead = ["support-leads"]
# admin = ["desk-admins"]

[database]
path = "resetdesk.db"

[keys]
file = "resetdesk.keys"                # keep a copy of it apart from the database

[audit]
key_file = "audit.key"                 # signs what the audit is at a moment: its heads
heads_file = "audit.heads"             # where serve appends one a day and after every reset; best on another machine
# heads_by_mail = false                # true: every admin gets one a day by mail, which is another machine as well

[mailbox]                              # only read: no mail is changed or marked
host = IMAP
# port = 993                           # 143 with starttls
# security = "tls"                     # tls | starttls | plain (loopback only)
user = ADDRESS
password_file = "mailbox.password"     # or "${CREDENTIALS_DIRECTORY}/mailbox" with systemd
# auth = "password"                    # password | microsoft | google | refresh_token | command: see the manual
# tenant = ""                          # microsoft: Directory (tenant) ID
# client_id = ""                       # microsoft, refresh_token
# client_secret_file = ""
# service_account_file = ""            # google: the JSON of the key
# refresh_token_file = ""
# token_url = ""                       # refresh_token; else the provider's
# scope = ""                           # the provider's when not given
# token_command = []                   # command: the program and its arguments
folders = ["INBOX"]
# dedicated = false                    # true when nothing but requests arrives there
addresses = [ADDRESS]    # all addresses that requests are sent to
# backlog = "park"                     # mails from before the first start: park | open
# boundary = 0                         # which Received field from the top your own server wrote
# boundary_by = ["mx.example.net"]     # the hosts behind "by" in it
# trust_mode = "off"                   # your server's Authentication-Results: off | rfc8601 | exchange-online
# trusted_authserv_ids = ["mx.example.net"]  # the name they begin with
# trust_position = "above-boundary"    # above-boundary | below-boundary, seen from that Received field
# strip_verified = false               # true once you saw your server delete forged ones
# relaxed_alignment = false            # true: a parent or child domain may sign for a customer

# [mailboxes.sales]                    # a further mailbox; what is not said here is as in [mailbox]
# user = "sales@example.net"
# password_file = "sales.password"
# folders = ["INBOX", "Junk"]
# addresses = ["sales@example.net"]

[smtp]
host = SMTP_HOST
# port = 465                           # 587 with starttls
# security = "tls"
user = ADDRESS
password_file = "smtp.password"
# auth = "password"                    # with the keys of [mailbox]; without a password here: as there
from = FROM
# uncertain_wait = "15m"               # before a letter is sent again whose fate is unknown
# bounce_address = ""                  # "support+{token}@example.net": where letters come back that do not arrive
# budget = 60                          # letters an hour that mail can set off; the others wait
# account_budget = 2                   # of which acknowledgements to one account

# [smtp.dkim]                          # sign letters here if the mail server does not: resetdesk keys dkim
# domain = ""                          # that of from when not given
# selector = "reset1"
# key_file = "dkim.key"

[letters]
# dir = ""                             # a folder with words of your own: resetdesk letters -h

[dns]
# resolver = "127.0.0.1:53"            # the system's when not given

[accounts]
# file = "accounts.csv"                # imported at start; or use: resetdesk accounts import

[policy]
preset = "balanced"                    # balanced | cautious | small-team (one person on duty)
# threat_mode = false                  # true: always on, whatever the switch of the desk says (two approvals, waiting doubled)
# hold = "72h"                         # how long a reset can be undone
# confirm_link_lifetime = "24h"
# case_lifetime = "14d"                # an open case expires then
# vote_lifetime = "24h"                # how long an approval counts, from the vote or the end of the waiting period
# fresh_address = "14d"                # an address that was changed within this makes the risk high
# repeat_reset = "30d"                 # a second reset of a user within this makes the risk high
# imitations = "14d"                   # a mail in quarantine that imitated the address within this makes the risk high
# vouched_within = "24h"               # how long before the request a verified password vouches for the user
# notice_grace = "4h"                  # a notice that the mail server puts off for so long counts as out

# [policy.waiting]                     # these two override the preset
# low = "2h"
# medium = "12h"
# high = "24h"
# vouched = "0s"                       # low, when the panel vouches for the user's password

# [policy.approvals]
# low = 1
# medium = 1
# high = 2

# [[policy.evidence]]                  # a row of evidence of your own, as many as you need
# name = "callback"
# title = "Called back the number on file"
# why = "A voice that answers there is harder to have than a mailbox."
# how = "callback"                     # callback | invoice | pin | dns | second_admin | free
# mandatory_at = ["high"]              # nobody approves at these risks before it is answered

[totp]
# issuer = "Example"                   # shown in the authenticator; the brand when not given
# mandatory_from = 2027-01-31          # when every user must have a second factor; they are reminded before
# grace = "0s"                         # a user who is registered late has at least this long
# algorithm = "SHA1"                   # of new keys: SHA1 | SHA256 | SHA512; some apps know SHA1 alone
# digits = 6                           # 6 | 8
# period = 30                          # seconds: 30 | 60
# bare_label = false                   # true: apps show the name once, not "Example:anna" under "Example"
# skew = 1                             # steps accepted on either side of the present one: 0 | 1

[api]                                  # /api/v1 under base_url; it opens only to keys: resetdesk apikey add
# enabled = true
# rate = 100                           # requests a second of one key
# webhook_allow_private = ["10.1.0.0/16"]    # private networks that webhooks may lead to

[retention]
# mail_bodies = "30d"                  # after a case is closed
# parked = "7d"                        # mails that were no request
`
