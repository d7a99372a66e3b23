// Package passkeytest is an authenticator in software, with the browser before
// it, for tests: it makes passkeys and signs with them as WebAuthn says, and does
// wrong on demand.
package passkeytest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"

	"github.com/go-webauthn/webauthn/protocol/webauthncbor"
)

// An Authenticator holds one passkey. Change its fields to lie.
type Authenticator struct {
	Origin, RP string // what the browser believes
	Unverified bool   // nobody unlocked it
	Count      uint32 // grows with each signature
	ID, Handle []byte
	Key        *ecdsa.PrivateKey // nil before Create
}

// New makes an authenticator for the origin of a desk.
func New(origin, rp string) *Authenticator { return &Authenticator{Origin: origin, RP: rp} }

var b64 = base64.RawURLEncoding

func (a *Authenticator) clientData(kind, challenge string) []byte {
	text, _ := json.Marshal(map[string]any{"type": kind, "challenge": challenge, "origin": a.Origin, "crossOrigin": false})
	return text
}

// data is the authenticator data (WebAuthn 6.1), with more behind it.
func (a *Authenticator) data(more []byte) []byte {
	rp := sha256.Sum256([]byte(a.RP))
	flags := byte(1) // present
	if !a.Unverified {
		flags |= 4
	}
	if more != nil {
		flags |= 64
	}
	d := append(rp[:], flags)
	return append(binary.BigEndian.AppendUint32(d, a.Count), more...)
}

// Create makes the passkey that the options ask for.
func (a *Authenticator) Create(options []byte) (string, error) {
	var o struct {
		Challenge string
		User      struct{ ID string }
	}
	if err := json.Unmarshal(options, &o); err != nil {
		return "", fmt.Errorf("read options: %w", err)
	}
	var err error
	if a.Handle, err = b64.DecodeString(o.User.ID); err != nil {
		return "", fmt.Errorf("read handle: %w", err)
	}
	if a.Key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		return "", err
	}
	a.ID = make([]byte, 32)
	rand.Read(a.ID)
	point, err := a.Key.PublicKey.Bytes()
	if err != nil {
		return "", err
	}
	cose, err := webauthncbor.Marshal(map[int]any{1: 2, 3: -7, -1: 1, -2: point[1:33], -3: point[33:]})
	if err != nil {
		return "", err
	}
	attested := append(make([]byte, 16), byte(0), byte(len(a.ID)))
	attested = append(append(attested, a.ID...), cose...)
	object, err := webauthncbor.Marshal(map[string]any{"fmt": "none", "attStmt": map[string]any{}, "authData": a.data(attested)})
	if err != nil {
		return "", err
	}
	return a.answer(map[string]any{"clientDataJSON": b64.EncodeToString(a.clientData("webauthn.create", o.Challenge)),
		"attestationObject": b64.EncodeToString(object), "transports": []string{"internal"}})
}

// Get signs the challenge of the options.
func (a *Authenticator) Get(options []byte) (string, error) {
	var o struct{ Challenge string }
	if err := json.Unmarshal(options, &o); err != nil {
		return "", fmt.Errorf("read options: %w", err)
	}
	a.Count++
	client, data := a.clientData("webauthn.get", o.Challenge), a.data(nil)
	clientHash := sha256.Sum256(client)
	sum := sha256.Sum256(append(data[:len(data):len(data)], clientHash[:]...))
	signature, err := ecdsa.SignASN1(rand.Reader, a.Key, sum[:])
	if err != nil {
		return "", err
	}
	return a.answer(map[string]any{"clientDataJSON": b64.EncodeToString(client), "authenticatorData": b64.EncodeToString(data),
		"signature": b64.EncodeToString(signature), "userHandle": b64.EncodeToString(a.Handle)})
}

func (a *Authenticator) answer(response map[string]any) (string, error) {
	text, err := json.Marshal(map[string]any{"id": b64.EncodeToString(a.ID), "rawId": b64.EncodeToString(a.ID), "type": "public-key",
		"authenticatorAttachment": "platform", "clientExtensionResults": map[string]any{}, "response": response})
	return string(text), err
}
