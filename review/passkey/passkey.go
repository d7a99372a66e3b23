// Package passkey is WebAuthn for one desk: what a browser is asked, and whether
// its answer is right. It keeps nothing. A challenge carries its purpose, what it
// is bound to and its end, under a MAC; who stores answers sees to it that each
// is accepted once ([Answer.Challenge]).
//
// User verification is always required (WebAuthn 6.1), so a passkey proves who
// has it and who unlocked it.
package passkey

import (
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"time"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"
)

// Purpose is what an answer is for. One that was given for one thing is good for
// no other.
type Purpose string

// The purposes.
const (
	Register Purpose = "register"
	SignIn   Purpose = "sign in"
	StepUp   Purpose = "step up"
)

// lifetime is how long a challenge may be answered. A sign-in page offers its
// passkeys for as long as it is open, so its script asks for a fresh one.
const lifetime = 5 * time.Minute

// maxAnswer is the most that an answer may have, in bytes.
const maxAnswer = 32 << 10

var (
	// ErrAnswer: the answer is not right. Which part of it is not is no news for
	// whoever sent it.
	ErrAnswer = errors.New("the answer of the passkey is not right")
	// ErrLate: the challenge is too old.
	ErrLate = errors.New("the passkey answered too late")
	// ErrCopy: the counter went back, so there may be a copy of the authenticator
	// (WebAuthn 6.1.1).
	ErrCopy = errors.New("the counter of the passkey went back")
)

// A Party is the desk as browsers know it. Safe for concurrent use.
type Party struct {
	lib *webauthn.WebAuthn
	key []byte // of the challenges, for as long as the process lives
}

// New makes the party of a base URL. An address of digits has no passkeys: it is
// an error.
func New(baseURL, name string) (*Party, error) {
	u, err := url.Parse(baseURL)
	if err != nil || u.Hostname() == "" {
		return nil, fmt.Errorf("passkeys: %q is no base URL", baseURL)
	}
	if _, err := netip.ParseAddr(u.Hostname()); err == nil {
		return nil, fmt.Errorf("passkeys: %s is an address of digits; browsers bind passkeys to names alone", u.Hostname())
	}
	if name == "" {
		name = u.Hostname()
	}
	required := protocol.ResidentKeyRequirementRequired
	lib, err := webauthn.New(&webauthn.Config{
		RPID: u.Hostname(), RPDisplayName: name, RPOrigins: []string{u.Scheme + "://" + u.Host},
		AttestationPreference: protocol.PreferNoAttestation,
		AuthenticatorSelection: protocol.AuthenticatorSelection{ResidentKey: required, RequireResidentKey: protocol.ResidentKeyRequired(),
			UserVerification: protocol.VerificationRequired},
	})
	if err != nil {
		return nil, fmt.Errorf("passkeys: %w", err)
	}
	p := &Party{lib: lib, key: make([]byte, 32)}
	rand.Read(p.key)
	return p, nil
}

// A Person has passkeys.
type Person struct {
	Handle     []byte // 32 bytes of chance
	Name, Full string
	Keys       []Key
}

// A Key is a passkey as it is stored.
type Key struct {
	ID     []byte
	Record string // JSON of the library, without the attestation
	Count  uint32 // newest counter
}

// user is a Person for the library.
type user struct {
	Person
	credentials []webauthn.Credential
}

func (u user) WebAuthnID() []byte                         { return u.Handle }
func (u user) WebAuthnName() string                       { return u.Name }
func (u user) WebAuthnDisplayName() string                { return u.Full }
func (u user) WebAuthnCredentials() []webauthn.Credential { return u.credentials }

func known(p Person) (user, error) {
	u := user{Person: p}
	for _, k := range p.Keys {
		var c webauthn.Credential
		if err := json.Unmarshal([]byte(k.Record), &c); err != nil {
			return u, fmt.Errorf("read passkey: %w", err)
		}
		c.ID, c.Authenticator.SignCount = k.ID, k.Count
		u.credentials = append(u.credentials, c)
	}
	return u, nil
}

func (u user) descriptors() []protocol.CredentialDescriptor {
	return webauthn.Credentials(u.credentials).CredentialDescriptors()
}

const (
	chance = 16
	stamp  = 8
)

// challenge is chance, its end, and a MAC over both, the purpose and what it is
// bound to.
func (p *Party) challenge(purpose Purpose, bound []byte) []byte {
	c := make([]byte, chance, chance+stamp+sha256.Size)
	rand.Read(c)
	c = binary.BigEndian.AppendUint64(c, uint64(time.Now().Add(lifetime).UnixMicro()))
	return append(c, p.mac(purpose, bound, c)...)
}

func (p *Party) mac(purpose Purpose, bound, open []byte) []byte {
	h := hmac.New(sha256.New, p.key)
	for _, part := range [][]byte{[]byte(purpose), bound, open} {
		h.Write(binary.BigEndian.AppendUint64(nil, uint64(len(part))))
		h.Write(part)
	}
	return h.Sum(nil)
}

// ours checks a challenge that came back.
func (p *Party) ours(purpose Purpose, bound, challenge []byte) error {
	if len(challenge) != chance+stamp+sha256.Size {
		return ErrAnswer
	}
	open, mac := challenge[:chance+stamp], challenge[chance+stamp:]
	if !hmac.Equal(mac, p.mac(purpose, bound, open)) {
		return ErrAnswer
	}
	if time.Now().UnixMicro() > int64(binary.BigEndian.Uint64(open[chance:])) {
		return ErrLate
	}
	return nil
}

// Ask returns the options with which a browser is asked for an answer, as
// parseRequestOptionsFromJSON takes them. Without a person it may be anybody's
// passkey. bound is what the answer is good for alone, such as a session.
func (p *Party) Ask(purpose Purpose, bound []byte, of *Person) ([]byte, error) {
	options := []webauthn.LoginOption{webauthn.WithChallenge(p.challenge(purpose, bound)), webauthn.WithUserVerification(protocol.VerificationRequired)}
	if of != nil {
		u, err := known(*of)
		if err != nil {
			return nil, err
		}
		options = append(options, webauthn.WithAllowedCredentials(u.descriptors()))
	}
	asked, _, err := p.lib.BeginDiscoverableLogin(options...)
	if err != nil {
		return nil, fmt.Errorf("ask for a passkey: %w", err)
	}
	return json.Marshal(asked.Response)
}

// AskNew returns the options with which a browser makes a passkey, as
// parseCreationOptionsFromJSON takes them.
func (p *Party) AskNew(bound []byte, of Person) ([]byte, error) {
	u, err := known(of)
	if err != nil {
		return nil, err
	}
	asked, _, err := p.lib.BeginRegistration(u, webauthn.WithExclusions(u.descriptors()))
	if err != nil {
		return nil, fmt.Errorf("ask for a new passkey: %w", err)
	}
	asked.Response.Challenge = p.challenge(Register, bound)
	return json.Marshal(asked.Response)
}

// An Answer is what came back, read but not checked.
type Answer struct {
	ID, Handle []byte
	Challenge  []byte // hash of the challenge: accept each once
	challenge  []byte
	assertion  *protocol.ParsedCredentialAssertionData
	creation   *protocol.ParsedCredentialCreationData
}

// Read reads the answer to [Party.Ask].
func Read(text string) (Answer, error) {
	if len(text) > maxAnswer {
		return Answer{}, ErrAnswer
	}
	parsed, err := protocol.ParseCredentialRequestResponseBytes([]byte(text))
	if err != nil {
		return Answer{}, ErrAnswer
	}
	a := Answer{ID: parsed.RawID, Handle: parsed.Response.UserHandle, assertion: parsed}
	return a, a.readChallenge(parsed.Response.CollectedClientData.Challenge)
}

// ReadNew reads the answer to [Party.AskNew].
func ReadNew(text string) (Answer, error) {
	if len(text) > maxAnswer {
		return Answer{}, ErrAnswer
	}
	parsed, err := protocol.ParseCredentialCreationResponseBytes([]byte(text))
	if err != nil {
		return Answer{}, ErrAnswer
	}
	a := Answer{ID: parsed.RawID, creation: parsed}
	return a, a.readChallenge(parsed.Response.CollectedClientData.Challenge)
}

func (a *Answer) readChallenge(text string) error {
	c, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		return ErrAnswer
	}
	sum := sha256.Sum256(c)
	a.challenge, a.Challenge = c, sum[:]
	return nil
}

// Check checks an answer against the passkeys of the person it must come from
// and returns the key as it is to be stored from now on.
func (p *Party) Check(purpose Purpose, bound []byte, of Person, a Answer) (Key, error) {
	if a.assertion == nil {
		return Key{}, ErrAnswer
	}
	if err := p.ours(purpose, bound, a.challenge); err != nil {
		return Key{}, err
	}
	u, err := known(of)
	if err != nil {
		return Key{}, err
	}
	session := webauthn.SessionData{Challenge: base64.RawURLEncoding.EncodeToString(a.challenge), RelyingPartyID: p.lib.Config.RPID,
		UserID: of.Handle, UserVerification: protocol.VerificationRequired}
	c, err := p.lib.ValidateLogin(u, session, a.assertion)
	if err != nil {
		return Key{}, ErrAnswer
	}
	if c.Authenticator.CloneWarning {
		return Key{ID: c.ID}, ErrCopy
	}
	return stored(c)
}

// CheckNew checks a new passkey.
func (p *Party) CheckNew(bound []byte, of Person, a Answer) (Key, error) {
	if a.creation == nil {
		return Key{}, ErrAnswer
	}
	if err := p.ours(Register, bound, a.challenge); err != nil {
		return Key{}, err
	}
	u, err := known(of)
	if err != nil {
		return Key{}, err
	}
	session := webauthn.SessionData{Challenge: base64.RawURLEncoding.EncodeToString(a.challenge), RelyingPartyID: p.lib.Config.RPID,
		UserID: of.Handle, UserVerification: protocol.VerificationRequired, CredParams: webauthn.CredentialParametersDefault()}
	c, err := p.lib.CreateCredential(u, session, a.creation)
	if err != nil {
		return Key{}, ErrAnswer
	}
	for _, k := range of.Keys {
		if bytes.Equal(k.ID, c.ID) {
			return Key{}, ErrAnswer
		}
	}
	return stored(c)
}

// stored drops the attestation: nobody asks for it, and it would tell the model
// of the authenticator.
func stored(c *webauthn.Credential) (Key, error) {
	c.Attestation = webauthn.CredentialAttestation{}
	record, err := json.Marshal(c)
	if err != nil {
		return Key{}, fmt.Errorf("write passkey: %w", err)
	}
	return Key{ID: c.ID, Record: string(record), Count: c.Authenticator.SignCount}, nil
}

// Derive makes 32 bytes that look like chance, the same ones for the same input
// while the process lives.
func (p *Party) Derive(what string, from []byte) []byte { return p.mac(Purpose(what), nil, from) }
