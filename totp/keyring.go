package totp

import (
	"bufio"
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

const (
	ringHeader  = "resetdesk keyring 1"
	ringKeySize = 32
	maxRing     = 64 << 10
	sealVersion = 1
	keyIDSize   = 4
	nonceSize   = 12
	tagSize     = 16
	// sealOverhead is version, key id, nonce and tag.
	sealOverhead = 1 + keyIDSize + nonceSize + tagSize
)

// A Keyring holds the keys that stay outside the database: AES-256 keys that
// seal secrets, the first one being the primary, and the pepper of keyed
// hashes. Losing it means that every user has to go through a reset; keep a
// copy apart from the database backups. Safe for concurrent use.
type Keyring struct {
	keys   []ringKey
	pepper []byte
}

type ringKey struct {
	id   [keyIDSize]byte
	raw  []byte
	aead cipher.AEAD
}

// NewKeyring makes a keyring of one random key and a random pepper.
func NewKeyring() (*Keyring, error) {
	pepper := make([]byte, ringKeySize)
	rand.Read(pepper) // never fails: crypto/rand ends the program instead
	return (&Keyring{pepper: pepper}).Rotate()
}

// Rotate returns a keyring with a new primary key in front of the ones k has.
// Everything sealed before still opens; the pepper stays.
func (k *Keyring) Rotate() (*Keyring, error) {
	var id [keyIDSize]byte
	raw := make([]byte, ringKeySize)
	for rand.Read(id[:]); k.find(id) != nil; {
		rand.Read(id[:])
	}
	rand.Read(raw)
	key, err := newRingKey(id, raw)
	if err != nil {
		return nil, fmt.Errorf("make keyring: %w", err)
	}
	return &Keyring{keys: append([]ringKey{key}, k.keys...), pepper: k.pepper}, nil
}

func newRingKey(id [keyIDSize]byte, raw []byte) (ringKey, error) {
	block, err := aes.NewCipher(raw)
	if err != nil {
		return ringKey{}, err
	}
	aead, err := cipher.NewGCM(block)
	return ringKey{id: id, raw: raw, aead: aead}, err
}

func (k *Keyring) find(id [keyIDSize]byte) *ringKey {
	for i := range k.keys {
		if k.keys[i].id == id {
			return &k.keys[i]
		}
	}
	return nil
}

// LoadKeyring reads a keyring file. A file that others than its owner and group
// can touch is refused.
func LoadKeyring(path string) (*Keyring, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("load keyring: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("load keyring: %w", err)
	}
	if info.Mode().IsRegular() && info.Mode().Perm()&0o027 != 0 {
		return nil, fmt.Errorf("load keyring: %s is open to others (mode %04o), chmod 600 it", path, info.Mode().Perm())
	}
	text, err := io.ReadAll(io.LimitReader(f, maxRing))
	if err != nil {
		return nil, fmt.Errorf("load keyring: %w", err)
	}
	k, err := parseKeyring(text)
	if err != nil {
		return nil, fmt.Errorf("load keyring: %w", err)
	}
	return k, nil
}

// parseKeyring reads the text form: a header line, then "key <id> <base64>" and
// "pepper <base64>" lines; blank lines and lines that begin with # are skipped.
// Its errors name lines, never what they hold.
func parseKeyring(text []byte) (*Keyring, error) {
	k := &Keyring{}
	lines := bufio.NewScanner(bytes.NewReader(text))
	for n, begun := 1, false; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || line[0] == '#' {
			continue
		}
		if !begun {
			if line != ringHeader {
				return nil, errors.New("not a keyring file")
			}
			begun = true
			continue
		}
		if err := k.parseLine(strings.Fields(line)); err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
	}
	if err := lines.Err(); err != nil {
		return nil, err
	}
	if len(k.keys) == 0 || k.pepper == nil {
		return nil, errors.New("a keyring needs a key and a pepper")
	}
	return k, nil
}

func (k *Keyring) parseLine(words []string) error {
	raw, err := base64.StdEncoding.Strict().DecodeString(words[len(words)-1])
	if err != nil || len(raw) != ringKeySize {
		return errors.New("expected 32 bytes in base64")
	}
	switch {
	case len(words) == 2 && words[0] == "pepper" && k.pepper == nil:
		k.pepper = raw
		return nil
	case len(words) == 3 && words[0] == "key":
		b, err := hex.DecodeString(words[1])
		if err != nil || len(b) != keyIDSize || k.find([keyIDSize]byte(b)) != nil {
			return errors.New("a key id is eight hexadecimal digits, once")
		}
		key, err := newRingKey([keyIDSize]byte(b), raw)
		if err != nil {
			return err
		}
		k.keys = append(k.keys, key)
		return nil
	}
	return errors.New("expected one pepper and keys")
}

// IDs returns the ids of the keys, the primary first. They are no secrets: each
// stands in front of what the key sealed.
func (k *Keyring) IDs() []string {
	ids := make([]string, len(k.keys))
	for i, key := range k.keys {
		ids[i] = hex.EncodeToString(key.id[:])
	}
	return ids
}

// KeyID returns the id of the key that sealed a value, "" for what was not
// sealed by a Keyring.
func KeyID(sealed []byte) string {
	if len(sealed) < 1+keyIDSize || sealed[0] != sealVersion {
		return ""
	}
	return hex.EncodeToString(sealed[1 : 1+keyIDSize])
}

// Keep returns a keyring of the primary key, the keys of these ids, and the
// pepper: what else k has is gone, with all that it sealed.
func (k *Keyring) Keep(ids ...string) *Keyring {
	kept := &Keyring{keys: k.keys[:1:1], pepper: k.pepper}
	for _, key := range k.keys[1:] {
		if slices.Contains(ids, hex.EncodeToString(key.id[:])) {
			kept.keys = append(kept.keys, key)
		}
	}
	return kept
}

// Write stores the keyring in a new file of mode 0600, durably. An existing
// file is never overwritten: the error is an fs.ErrExist.
func (k *Keyring) Write(path string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("write keyring: %w", err)
	}
	if err = k.store(f); err == nil {
		err = syncFolder(filepath.Dir(path))
	}
	if err != nil {
		os.Remove(path)
		return fmt.Errorf("write keyring: %w", err)
	}
	return nil
}

// Replace puts the keyring in the place of the file at path, in one step that
// is durable when it returns: at any moment the file is the old one or the new
// one. Mode and owner stay, because others may have to read it. An error may
// come after the step: load the file to know.
func (k *Keyring) Replace(path string) error {
	path, err := filepath.EvalSymlinks(path)
	if err != nil {
		return fmt.Errorf("replace keyring: %w", err)
	}
	info, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("replace keyring: %w", err)
	}
	fresh := path + ".new" // of an earlier attempt, perhaps: nothing was sealed with it
	f, err := os.OpenFile(fresh, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("replace keyring: %w", err)
	}
	err = errors.Join(likeFile(f, info), k.store(f))
	if err == nil {
		err = os.Rename(fresh, path)
	}
	if err != nil {
		os.Remove(fresh)
		return fmt.Errorf("replace keyring: %w", err)
	}
	if err := syncFolder(filepath.Dir(path)); err != nil {
		return fmt.Errorf("replace keyring: %w", err)
	}
	return nil
}

// likeFile gives f the mode and the owner of another file.
func likeFile(f *os.File, info os.FileInfo) error {
	mine, err := f.Stat()
	if err != nil {
		return err
	}
	a, _ := mine.Sys().(*syscall.Stat_t)
	b, _ := info.Sys().(*syscall.Stat_t)
	if a != nil && b != nil && (a.Uid != b.Uid || a.Gid != b.Gid) {
		if err := f.Chown(int(b.Uid), int(b.Gid)); err != nil {
			return err
		}
	}
	return f.Chmod(info.Mode().Perm())
}

// store writes the text form, durably, and closes the file.
func (k *Keyring) store(f *os.File) error {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s\n# Keep a copy apart from the database. The first key seals, all of them open.\n", ringHeader)
	for _, key := range k.keys {
		fmt.Fprintf(&b, "key %x %s\n", key.id, base64.StdEncoding.EncodeToString(key.raw))
	}
	fmt.Fprintf(&b, "pepper %s\n", base64.StdEncoding.EncodeToString(k.pepper))
	_, err := f.Write(b.Bytes())
	return errors.Join(err, f.Sync(), f.Close())
}

func syncFolder(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// Seal encrypts plain with the primary key (AES-256-GCM). purpose and id are
// bound to it: it opens under the same pair only, so that a sealed value moved
// to another row is worthless.
func (k *Keyring) Seal(purpose, id string, plain []byte) []byte {
	key := k.keys[0]
	out := make([]byte, 0, sealOverhead+len(plain))
	out = append(out, sealVersion)
	out = append(out, key.id[:]...)
	nonce := make([]byte, nonceSize)
	rand.Read(nonce)
	out = append(out, nonce...)
	return key.aead.Seal(out, nonce, plain, additional(out[:1+keyIDSize], purpose, id))
}

// Open decrypts what [Keyring.Seal] returned for the same purpose and id. Any
// difference, in a single bit, is an error.
func (k *Keyring) Open(purpose, id string, sealed []byte) ([]byte, error) {
	if len(sealed) < sealOverhead || sealed[0] != sealVersion {
		return nil, fmt.Errorf("open sealed %s: unknown form", purpose)
	}
	head, rest := sealed[:1+keyIDSize], sealed[1+keyIDSize:]
	key := k.find([keyIDSize]byte(head[1:]))
	if key == nil {
		return nil, fmt.Errorf("open sealed %s: key %x is not on the keyring", purpose, head[1:])
	}
	plain, err := key.aead.Open(nil, rest[:nonceSize], rest[nonceSize:], additional(head, purpose, id))
	if err != nil {
		return nil, fmt.Errorf("open sealed %s: it was altered or belongs elsewhere", purpose)
	}
	return plain, nil
}

// current tells whether sealed was sealed with the primary key.
func (k *Keyring) current(sealed []byte) bool {
	return len(sealed) > keyIDSize && [keyIDSize]byte(sealed[1:1+keyIDSize]) == k.keys[0].id
}

func additional(head []byte, purpose, id string) []byte {
	return appendParts(append([]byte(nil), head...), []byte(purpose), []byte(id))
}

// MAC returns the HMAC-SHA-256 of the parts, each with its length, under a key
// derived from the pepper for this purpose. Parts never run into each other.
func (k *Keyring) MAC(purpose string, parts ...[]byte) []byte {
	key, err := hkdf.Expand(sha256.New, k.pepper, "resetdesk mac "+purpose, sha256.Size)
	if err != nil {
		panic(err) // the length is a constant below the limit
	}
	mac := hmac.New(sha256.New, key)
	mac.Write(appendParts(nil, parts...))
	return mac.Sum(nil)
}

func appendParts(b []byte, parts ...[]byte) []byte {
	for _, p := range parts {
		b = binary.BigEndian.AppendUint64(b, uint64(len(p)))
		b = append(b, p...)
	}
	return b
}
