package sendertest

import "crypto/rsa"

// house is a kind of provider: whose mail it sends, how it signs (the h= lists
// are those of sender-verification 4.6) and with which clients people write
// there.
type house struct {
	name    string
	weight  int      // in a hundred mails
	domains []string // of its customers
	clients []client
	signers []Signer // Domain "" is the customer's own
	// share of a hundred mails signed by the second half of the h= list: those
	// of Microsoft's customers whose To is signed.
	withTo int
	dmarc  string // "" publishes none
	ids    string // the form of its Message-ID
}

const (
	gmailSigned  = "to:subject:message-id:date:from:mime-version:from:to:cc:subject:date:message-id:reply-to"
	exchSigned   = "From:Date:Subject:Message-ID:Content-Type:MIME-Version:X-MS-Exchange-SenderADCheck"
	exchSignedTo = "From:To:Cc:Date:Subject:Message-ID:Content-Type:MIME-Version:X-MS-Exchange-SenderADCheck"
	sesSigned    = "From:To:Reply-To:Subject:Date:Message-ID:MIME-Version:Content-Type:Content-Transfer-Encoding"
	icloudSigned = "from:to:cc:subject:date:message-id:mime-version:content-type:reply-to"
	postSigned   = "Date:From:Reply-To:To:Cc:Subject:In-Reply-To:References:From"
	rspamdSigned = "from:from:reply-to:subject:subject:date:date:message-id:message-id:to:to:cc:mime-version:mime-version:content-type:content-type:content-transfer-encoding:in-reply-to:in-reply-to:references:references"
	yahooSigned  = "From:To:Subject:Date:Message-ID:References:From:Subject:Reply-To"
	fastSigned   = "cc:content-type:date:from:in-reply-to:message-id:mime-version:references:reply-to:subject:to"
)

// houses are the providers. key signs for all of them: what differs between
// them is what they sign, not with which number.
func houses(key *rsa.PrivateKey) []house {
	sign := func(domain, selector, headers, canon, extra string, dated bool) Signer {
		return Signer{Domain: domain, Selector: selector, Key: key, Headers: headers, Canon: canon, Extra: extra, Dated: dated}
	}
	return []house{
		{"gmail", 14, []string{"gmail.example"}, []client{gmailWeb, gmailApp, appleMail, iphone, thunderbird}, []Signer{sign("", "20230601", gmailSigned, "relaxed/relaxed", "darn=support.example; ", true)}, 0, "v=DMARC1; p=none; sp=quarantine", "gmail"},
		{"workspace", 14, []string{"acme.example", "kapsalon-zoe.example", "mueller-bau.example"}, []client{gmailWeb, gmailApp, appleMail, iphone}, []Signer{sign("", "google", gmailSigned, "relaxed/relaxed", "dara=google.example; ", true)}, 0, "v=DMARC1; p=reject", "gmail"},
		{"gappssmtp", 3, []string{"no-own-key.example"}, []client{gmailWeb, gmailApp}, []Signer{sign("no-own-key-example.20230601.gappssmtp.example", "20230601", gmailSigned, "relaxed/relaxed", "", true)}, 0, "", "gmail"},
		{"outlook", 10, []string{"outlook.example"}, []client{outlookWeb, outlookApp, iphone}, []Signer{sign("", "selector1", exchSigned, "relaxed/relaxed", "", false)}, 0, "v=DMARC1; p=none", "exchange"},
		{"m365", 18, []string{"contoso.example", "bakkerij.example", "notaire.example"}, []client{outlook, outlookWeb, outlookApp, iphone}, []Signer{sign("", "selector1", exchSigned, "relaxed/relaxed", "", false)}, 46, "v=DMARC1; p=quarantine", "exchange"},
		{"onmicrosoft", 5, []string{"default-tenant.example"}, []client{outlook, outlookWeb}, []Signer{sign("tenant.onmicrosoft.example", "selector2-tenant", exchSigned, "relaxed/relaxed", "", false)}, 0, "", "exchange"},
		{"ses", 4, []string{"shop.example"}, []client{script, roundcube}, []Signer{sign("", "ses1", sesSigned, "relaxed/simple", "", true), sign("amazonses.example", "ses2", sesSigned, "relaxed/simple", "", true)}, 0, "v=DMARC1; p=none", "plain"},
		{"icloud", 5, []string{"icloud.example"}, []client{appleMail, iphone}, []Signer{sign("", "1a1hai", icloudSigned, "relaxed/relaxed", "", true)}, 0, "v=DMARC1; p=quarantine", "apple"},
		{"opendkim", 9, []string{"hoster.example", "xn--mnchen-3ya.example"}, []client{thunderbird, roundcube, mutt, k9, appleMail}, []Signer{sign("", "mail", postSigned+":Message-ID:MIME-Version:Content-Type", "relaxed/simple", "", true)}, 0, "v=DMARC1; p=reject; adkim=s", "plain"},
		{"opendkim-simple", 3, []string{"old-school.example"}, []client{thunderbird, mutt}, []Signer{sign("", "default", postSigned+":Message-ID", "simple/simple", "", true)}, 0, "", "plain"},
		{"rspamd", 5, []string{"mailcow.example"}, []client{thunderbird, roundcube, k9}, []Signer{sign("", "dkim", rspamdSigned, "relaxed/relaxed", "", true)}, 0, "v=DMARC1; p=quarantine", "plain"},
		{"fastmail", 3, []string{"fast.example"}, []client{roundcube, appleMail}, []Signer{sign("", "fm2", fastSigned, "relaxed/relaxed", "", true), sign("messagingengine.example", "fm2", fastSigned, "relaxed/relaxed", "", true)}, 0, "v=DMARC1; p=none", "plain"},
		{"yahoo", 3, []string{"yahoo.example"}, []client{roundcube, iphone}, []Signer{sign("", "s2048", yahooSigned, "relaxed/relaxed", "", true)}, 0, "v=DMARC1; p=reject", "plain"},
		{"unsigned", 4, []string{"village.example"}, []client{thunderbird, outlook, mutt, roundcube}, nil, 0, "", "plain"},
	}
}
