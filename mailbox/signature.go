package mailbox

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/emersion/go-msgauth/dkim"
)

// Signature signs letters with DKIM (RFC 6376, RFC 8463) where the mail server does not. A letter is signed once, when it
// is written down, so that a repeat has the same bytes and the same signature.
type Signature struct {
	Domain, Selector string
	key              crypto.Signer
}

// signed are the fields that a signature covers. Those that a stranger could add to a letter to make it look otherwise
// stand one more time than they occur, so that one more breaks the signature (RFC 6376 8.15).
var signed = []string{
	"From", "From", "To", "To", "Subject", "Subject", "Date", "Date", "Message-ID", "Message-ID", "Reply-To", "Cc",
	"In-Reply-To", "References", "MIME-Version", "Content-Type", "Content-Type", "Content-Language", "Auto-Submitted", "X-Resetdesk-Instance",
}

// rsaShortest is the shortest RSA key taken, in bits (RFC 8301 3.2 wants at least 2048 for signers).
const rsaShortest = 2048

// LoadSignature reads the private key in a PEM file (PKCS #8, or PKCS #1 for RSA), of a kind that receivers verify.
func LoadSignature(domain, selector, file string) (*Signature, error) {
	info, err := os.Stat(file)
	if err != nil {
		return nil, fmt.Errorf("read DKIM key: %w", err)
	}
	if !info.Mode().IsRegular() || info.Size() > 64<<10 {
		return nil, fmt.Errorf("read DKIM key: %s is no file with a key", file)
	}
	if info.Mode().Perm()&0o007 != 0 {
		return nil, fmt.Errorf("read DKIM key: everybody on this machine can read %s; chmod 640 %s", file, file)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read DKIM key: %w", err)
	}
	key, err := parseKey(text)
	if err != nil {
		return nil, fmt.Errorf("read DKIM key: %s %w", file, err)
	}
	return &Signature{Domain: domain, Selector: selector, key: key}, nil
}

// NewSignatureKey makes a key, "rsa" or "ed25519", as the text of a PEM file.
func NewSignatureKey(kind string) ([]byte, error) {
	var key any
	var err error
	switch kind {
	case "rsa":
		key, err = rsa.GenerateKey(rand.Reader, rsaShortest)
	case "ed25519":
		_, key, err = ed25519.GenerateKey(rand.Reader)
	default:
		return nil, fmt.Errorf("a DKIM key is rsa or ed25519, not %q", kind)
	}
	if err != nil {
		return nil, fmt.Errorf("make DKIM key: %w", err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("make DKIM key: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
}

func parseKey(text []byte) (crypto.Signer, error) {
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, errors.New("has no PEM block (-----BEGIN PRIVATE KEY-----)")
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		if key, err = x509.ParsePKCS1PrivateKey(block.Bytes); err != nil {
			return nil, fmt.Errorf("holds %q, which is no private key that can be read", clip(block.Type, 40))
		}
	}
	switch k := key.(type) {
	case *rsa.PrivateKey:
		if k.N.BitLen() < rsaShortest {
			return nil, fmt.Errorf("has an RSA key of %d bits; receivers want %d", k.N.BitLen(), rsaShortest)
		}
		return k, nil
	case ed25519.PrivateKey:
		return k, nil
	}
	return nil, errors.New("has a key that is neither RSA nor Ed25519")
}

// Sign returns raw with its signature on top.
func (s *Signature) Sign(raw []byte) ([]byte, error) {
	signer, err := dkim.NewSigner(&dkim.SignOptions{Domain: s.Domain, Selector: s.Selector, Signer: s.key, Hash: crypto.SHA256, HeaderKeys: signed,
		HeaderCanonicalization: dkim.CanonicalizationRelaxed, BodyCanonicalization: dkim.CanonicalizationRelaxed})
	if err != nil {
		return nil, fmt.Errorf("sign letter: %w", err)
	}
	_, err = io.Copy(signer, bytes.NewReader(raw))
	if err := errors.Join(err, signer.Close()); err != nil {
		return nil, fmt.Errorf("sign letter: %w", err)
	}
	return append([]byte(signer.Signature()), raw...), nil
}

// Name is where the record with the public key stands in the DNS.
func (s *Signature) Name() string { return s.Selector + "._domainkey." + s.Domain }

// Record is that TXT record.
func (s *Signature) Record() string {
	kind, p := s.public()
	return "v=DKIM1; k=" + kind + "; p=" + p
}

func (s *Signature) public() (kind, p string) {
	if k, ok := s.key.(ed25519.PrivateKey); ok { // RFC 8463 4.2: the bare key
		return "ed25519", base64.StdEncoding.EncodeToString(k.Public().(ed25519.PublicKey))
	}
	der, err := x509.MarshalPKIXPublicKey(s.key.Public())
	if err != nil {
		panic(err) // parseKey takes keys of two kinds
	}
	return "rsa", base64.StdEncoding.EncodeToString(der)
}

// Published compares the TXT records at [Signature.Name] with the key.
func (s *Signature) Published(records []string) error {
	kind, p := s.public()
	var keys []string
	for _, r := range records {
		if strings.Contains(r, "p=") {
			keys = append(keys, r)
		}
	}
	if len(keys) == 0 {
		return errors.New("there is no record")
	}
	if len(keys) > 1 {
		return fmt.Errorf("there are %d records, and receivers may take any of them", len(keys))
	}
	have := map[string]string{"k": "rsa"}
	for _, tag := range strings.Split(keys[0], ";") {
		name, value, _ := strings.Cut(tag, "=")
		have[strings.TrimSpace(name)] = strings.Join(strings.Fields(value), "")
	}
	switch {
	case have["p"] == "":
		return errors.New("the record revokes the key (p= is empty)")
	case have["k"] != kind:
		return fmt.Errorf("the record has a key of the kind %q, the file one of the kind %q", clip(have["k"], 20), kind)
	case have["p"] != p:
		return errors.New("the record has another key than the file")
	}
	return nil
}
