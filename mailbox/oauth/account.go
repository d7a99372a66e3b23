package oauth

import (
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
)

// account is what is needed of the JSON file that Google gives out for a key of a service account.
type account struct {
	Type     string `json:"type"`
	Email    string `json:"client_email"`
	Key      string `json:"private_key"` // PEM
	KeyID    string `json:"private_key_id"`
	TokenURL string `json:"token_uri"`
}

// parseAccount reads such a file. Its errors show nothing of what it holds.
func parseAccount(text []byte) (account, error) {
	var a account
	if len(text) > maxAnswer {
		return a, errors.New("it is far longer than a key")
	}
	if err := json.Unmarshal(text, &a); err != nil {
		return account{}, errors.New("it is no JSON object with the fields of a key")
	}
	switch {
	case a.Type != "service_account":
		return account{}, errors.New(`its "type" is not "service_account"`)
	case a.Email == "" || !strings.Contains(a.Email, "@"):
		return account{}, errors.New(`it has no "client_email"`)
	}
	a.TokenURL = or(a.TokenURL, googleToken)
	if err := CheckURL(a.TokenURL); err != nil {
		return account{}, fmt.Errorf(`its "token_uri" is wrong: %w`, err)
	}
	if err := checkKey(a.Key); err != nil {
		return account{}, fmt.Errorf(`its "private_key" %w`, err)
	}
	return a, nil
}

// checkKey accepts a PEM of an RSA key in either usual form.
func checkKey(text string) error {
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		return errors.New("is no PEM block")
	}
	var key *rsa.PrivateKey
	if parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes); err == nil {
		key, _ = parsed.(*rsa.PrivateKey)
	} else if key, err = x509.ParsePKCS1PrivateKey(block.Bytes); err != nil {
		return errors.New("cannot be read")
	}
	if key == nil {
		return errors.New("is not of the kind RSA")
	}
	if key.N.BitLen() < 2048 {
		return errors.New("is shorter than 2048 bits")
	}
	return nil
}
