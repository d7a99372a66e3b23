package mailtest

import (
	"bytes"
	"strings"

	"github.com/emersion/go-smtp"
)

// refusal is what servers say of a token they do not take (RFC 7628 3.2.2), before they refuse the sign-in.
const refusal = `{"status":"401","schemes":"bearer","scope":"https://mail.example/"}`

// tokenServer is the server side of XOAUTH2 and OAUTHBEARER.
type tokenServer struct {
	mech   string
	check  func(user, token string) bool
	failed bool
}

// Next implements sasl.Server.
func (t *tokenServer) Next(response []byte) ([]byte, bool, error) {
	switch want := map[string]string{"XOAUTH2": "", "OAUTHBEARER": "\x01"}[t.mech]; {
	case t.failed && string(response) != want:
		return nil, true, &smtp.SMTPError{Code: 501, EnhancedCode: smtp.EnhancedCode{5, 5, 2}, Message: "Not the answer of " + t.mech}
	case t.failed:
		return nil, true, &smtp.SMTPError{Code: 535, EnhancedCode: smtp.EnhancedCode{5, 7, 8}, Message: "Token not accepted"}
	case response == nil:
		return []byte{}, false, nil
	}
	user, token := readBearer(response)
	if token != "" && t.check(user, token) {
		return nil, true, nil
	}
	t.failed = true
	return []byte(refusal), false, nil
}

// readBearer takes an initial response of either mechanism apart.
func readBearer(response []byte) (user, token string) {
	for part := range bytes.SplitSeq(response, []byte{1}) {
		s := string(part)
		if u, ok := strings.CutPrefix(s, "user="); ok {
			user = u
		} else if u, ok := strings.CutPrefix(s, "n,a="); ok {
			user = strings.NewReplacer("=3D", "=", "=2C", ",").Replace(strings.TrimSuffix(u, ","))
		} else if b, ok := strings.CutPrefix(s, "auth=Bearer "); ok {
			token = b
		}
	}
	return user, token
}
