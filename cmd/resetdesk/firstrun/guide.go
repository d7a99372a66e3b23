// Package firstrun holds what the first-run pages give to copy: words of the
// configuration and of the host, which the pages themselves do not know.
package firstrun

import "github.com/resetdesk/resetdesk/ui"

// Guide is all of it. A test loads the configuration in it.
func Guide() ui.Guide {
	return ui.Guide{Providers: []ui.Snippet{
		{Name: "Microsoft 365", Says: "An app in Entra signs in by itself, with the application permissions IMAP.AccessAsApp and SMTP.SendAsApp, admin consent and FullAccess to this one mailbox. " +
			"The manual, under Sign-in with OAuth, has the four steps. Once mail is there, a test on this page reads off it what Exchange Online writes on top.",
			Paste: `[mailbox]
host = "outlook.office365.com"
# The primary address of the mailbox.
user = "support@example.net"
auth = "microsoft"
# The Directory (tenant) ID, and the Application (client) ID.
tenant = "00000000-0000-0000-0000-000000000000"
client_id = "00000000-0000-0000-0000-000000000000"
# This file holds the Value of the client secret.
client_secret_file = "mailbox.secret"
folders = ["INBOX", "Junk Email"]
addresses = ["support@example.net"]

[smtp]
host = "smtp.office365.com"
port = 587
security = "starttls"
user = "support@example.net"
from = "Example Support <support@example.net>"
`},
		{Name: "Google Workspace", Says: "A service account with domain-wide delegation for the scope https://mail.google.com/ signs in as the mailbox's user. Its key opens every mailbox of the domain: keep it as you keep the admin's password.",
			Paste: `[mailbox]
host = "imap.gmail.com"
user = "support@example.net"
auth = "google"
service_account_file = "service-account.json"
folders = ["INBOX", "[Gmail]/Spam"]
addresses = ["support@example.net"]

[smtp]
host = "smtp.gmail.com"
user = "support@example.net"
from = "Example Support <support@example.net>"
`},
		{Name: "Your own server, or another provider", Says: "A mailbox with a password of its own. A mail server on the same host that takes mail from loopback needs no sign-in.",
			Paste: `[mailbox]
host = "imap.example.net"
user = "support@example.net"
# The password alone on one line; mode 0600.
password_file = "mailbox.password"
folders = ["INBOX", "Junk"]
addresses = ["support@example.net"]

[smtp]
host = "127.0.0.1"
port = 25
# Plain towards loopback only.
security = "plain"
from = "Example Support <support@example.net>"
`},
	}, After: []ui.Snippet{
		{Name: "A service of systemd", Says: "The unit is docs/deploy/resetdesk.service; its first lines say which two paths to write in full. It starts the desk again after a crash or a restart of the host.",
			Paste: `useradd --system --home-dir /var/lib/resetdesk --shell /usr/sbin/nologin resetdesk
cp docs/deploy/resetdesk.service /etc/systemd/system/
systemctl daemon-reload
systemctl enable --now resetdesk
journalctl -u resetdesk -f
`},
		{Name: "A backup every night", Says: "A consistent copy of the running database, checked before it gets its name. Keep it as you keep mail, and the key file apart from it: one without the other opens nothing.",
			Paste: `# /etc/cron.d/resetdesk
30 3 * * * root resetdesk backup -o /backup/resetdesk-$(date +\%F).db -config /etc/resetdesk/resetdesk.toml
`},
		{Name: "An alert when mail stands still", Says: "Set metrics = \"127.0.0.1:9464\" under [server] and let Prometheus ask. These rules wake somebody.",
			Paste: `groups:
  - name: resetdesk
    rules:
      - alert: ResetdeskDown
        expr: up{job="resetdesk"} == 0
        for: 5m
      - alert: ResetdeskMailbox
        expr: resetdesk_mailbox_alarm > 0 or time() - resetdesk_mailbox_last_poll_timestamp_seconds > 900
      - alert: ResetdeskLetters
        expr: resetdesk_postman_alarm > 0 or increase(resetdesk_letters{state="failed"}[1h]) > 0
`},
		{Name: "A look at everything", Says: "doctor examines configuration, keys, database, mailbox, mail server, clock and the domain that letters come from, and says with each finding what mends it.",
			Paste: "resetdesk doctor -config /etc/resetdesk/resetdesk.toml\n"},
	}}
}
