package sendertest

// client is a mail program: the fields it writes, in its order. The names in
// braces are filled in by the writer; a line whose name comes out empty is left
// out. What is no brace goes out as it stands.
type client struct {
	name   string
	fields []string
	html   bool // sends multipart/alternative
	flowed bool
	footer string
}

var (
	gmailWeb = client{"Gmail", []string{"MIME-Version: 1.0", "References: {references}", "In-Reply-To: {reply}", "From: {from}", "Date: {date}", "Message-ID: {id}", "Subject: {subject}", "To: {to}", "Cc: {cc}", "Content-Type: {type}", "Content-Transfer-Encoding: {encoding}"}, true, false, ""}
	gmailApp = client{"Gmail for Android", []string{"MIME-Version: 1.0", "References: {references}", "In-Reply-To: {reply}", "Reply-To: {self}", "From: {from}", "Date: {date}", "Message-ID: {id}", "Subject: {subject}", "To: {to}", "Content-Type: {type}", "Content-Transfer-Encoding: {encoding}"}, true, false, "Sent from Gmail Mobile"}
	outlook  = client{"Outlook", []string{"From: {from}", "To: {to}", "CC: {cc}", "Subject: {subject}", "Thread-Topic: {subject}", "Thread-Index: AdxqL0m3hT9rP0y2S4C1c0J7b4tqWw==", "Date: {date}", "Message-ID: {id}", "References: {references}", "In-Reply-To: {reply}",
		"Accept-Language: nl-NL, en-US", "Content-Language: nl-NL", "X-MS-Has-Attach:", "X-MS-TNEF-Correlator:", "msip_labels:", "x-ms-publictraffictype: Email", "x-ms-traffictypediagnostic: AM0PR04MB1234:EE_|AS8PR04MB5678:EE_", "x-ms-office365-filtering-correlation-id: 2f0f4b5c-9d2e-4f0c-6a1d-08dd0b7c1a55",
		"x-microsoft-antispam: BCL:0;ARA:13230040|366016|376014|1800799024|38070700018;", "x-microsoft-antispam-message-info:\r\n =?us-ascii?Q?k9Yt+zV0O2m8sUu1XoN3?=\r\n =?us-ascii?Q?Qe7Pp5x4RrB6cDg?=", "X-MS-Exchange-SenderADCheck: 1", "Content-Type: {type}", "Content-Transfer-Encoding: {encoding}", "MIME-Version: 1.0", "X-OriginatorOrg: {domain}"}, true, false, ""}
	outlookWeb = client{"Outlook on the web", []string{"From: {from}", "To: {to}", "Subject: {subject}", "Thread-Topic: {subject}", "Thread-Index: AQHbPXk2f3p0m6q1y0S5", "Date: {date}", "Message-ID: {id}", "References: {references}", "In-Reply-To: {reply}", "Accept-Language: de-DE, en-US", "Content-Language: de-DE", "X-MS-Has-Attach:",
		"X-MS-Exchange-SenderADCheck: 1", "X-MS-Exchange-AntiSpam-MessageData-0: UFaL3qvB4V0t9+Zr", "Importance: high", "X-Priority: 1", "Content-Type: {type}", "Content-Transfer-Encoding: {encoding}", "MIME-Version: 1.0"}, true, false, ""}
	outlookApp  = client{"Outlook for iOS", []string{"From: {from}", "To: {to}", "Subject: {subject}", "Thread-Topic: {subject}", "Date: {date}", "Message-ID: {id}", "Accept-Language: en-US", "X-MS-Exchange-SenderADCheck: 1", "Content-Type: {type}", "Content-Transfer-Encoding: {encoding}", "MIME-Version: 1.0"}, true, false, "Outlook voor iOS downloaden"}
	appleMail   = client{"Apple Mail", []string{"From: {from}", "Content-Type: {type}", "Content-Transfer-Encoding: {encoding}", "Mime-Version: 1.0 (Mac OS X Mail 16.0 \\(3826.200.121\\))", "Subject: {subject}", "Message-Id: {id}", "Date: {date}", "Cc: {cc}", "To: {to}", "References: {references}", "In-Reply-To: {reply}", "X-Mailer: Apple Mail (2.3826.200.121)"}, false, false, ""}
	iphone      = client{"iPhone Mail", []string{"Content-Type: {type}", "Content-Transfer-Encoding: {encoding}", "From: {from}", "Mime-Version: 1.0 (1.0)", "Date: {date}", "Subject: {subject}", "Message-Id: {id}", "References: {references}", "In-Reply-To: {reply}", "To: {to}", "X-Mailer: iPhone Mail (22B91)"}, true, false, "Sent from my iPhone"}
	thunderbird = client{"Thunderbird", []string{"Message-ID: {id}", "Date: {date}", "MIME-Version: 1.0", "User-Agent: Mozilla Thunderbird", "Subject: {subject}", "To: {to}", "Cc: {cc}", "References: {references}", "Content-Language: de-DE, en-GB", "From: {from}", "Autocrypt: addr={self}; keydata=\r\n xsBNBGZ0XyQBCADUo2c7m8l6Yb0sTQh1eVZ3YbY9sTt0m1nQ2rV4xk8c2p5h7w3z9y1a6d0f\r\n 4g8j2k6l0m4n8p2q6r0s4t8u2v6w0x4y8z2=",
		"Disposition-Notification-To: {from}", "In-Reply-To: {reply}", "Organization: {domain}", "Content-Type: {type}", "Content-Transfer-Encoding: {encoding}"}, false, true, ""}
	roundcube = client{"Roundcube", []string{"MIME-Version: 1.0", "Date: {date}", "From: {from}", "To: {to}", "Subject: {subject}", "In-Reply-To: {reply}", "References: {references}", "User-Agent: Roundcube Webmail/1.6.9", "Message-ID: {id}", "X-Sender: {self}", "Content-Type: {type}", "Content-Transfer-Encoding: {encoding}"}, false, true, ""}
	mutt      = client{"Mutt", []string{"Date: {date}", "From: {from}", "To: {to}", "Cc: {cc}", "Subject: {subject}", "Message-ID: {id}", "References: {references}", "MIME-Version: 1.0", "Content-Type: {type}", "Content-Disposition: inline", "Content-Transfer-Encoding: {encoding}", "In-Reply-To: {reply}", "User-Agent: Mutt/2.2.12 (2023-09-09)"}, false, false, ""}
	k9        = client{"K-9 Mail", []string{"Date: {date}", "From: {from}", "To: {to}", "Subject: {subject}", "User-Agent: K-9 Mail for Android", "In-Reply-To: {reply}", "References: {references}", "Message-ID: {id}", "MIME-Version: 1.0", "Content-Type: {type}", "Content-Transfer-Encoding: {encoding}", "X-Auto-Response-Suppress: All"}, false, false, "Verstuurd vanaf mijn Android apparaat met K-9 Mail. Excuseer mijn beknoptheid."}
	script    = client{"a form of a web site", []string{"Date: {date}", "To: {to}", "From: {from}", "Subject: {subject}", "Message-ID: {id}", "X-Mailer: PHPMailer 6.9.1 (https://mailer.example)", "MIME-Version: 1.0", "Content-Type: {type}", "Content-Transfer-Encoding: {encoding}", "Auto-Submitted: no"}, false, false, ""}
)
