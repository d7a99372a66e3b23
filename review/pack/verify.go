package pack

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/resetdesk/resetdesk/review/chain"
)

// What a pack may have at most. A mail is cut at 256 KiB by the watcher, so an
// honest pack is far below; a bomb is refused before it is unpacked.
const (
	maxMembers = 1000
	maxMember  = 64 << 20
	maxTotal   = 256 << 20
)

// A Result is what a sound pack says.
type Result struct {
	Case   string     `json:"case"`
	State  string     `json:"state"`
	MadeAt time.Time  `json:"made_at"`
	MadeBy string     `json:"made_by"`
	Files  int        `json:"files"`
	Events int        `json:"events"`
	Head   chain.Head `json:"head"`
}

// Verify checks a pack against the public key of the audit: every file is the one
// that was signed, and every event is in the audit of the signed head. The error
// says the first thing that is wrong.
func Verify(r io.ReaderAt, size int64, public string) (Result, error) {
	files, err := unpack(r, size)
	if err != nil {
		return Result{}, err
	}
	m, err := readManifest(files, public)
	if err != nil {
		return Result{}, err
	}
	out := Result{Case: m.Case, MadeAt: m.MadeAt, MadeBy: m.MadeBy, Files: len(files)}
	if out.Head, err = chain.Open(files[headName], public); err != nil {
		return Result{}, fmt.Errorf("%s: %w", headName, err)
	}
	if out.Events, err = verifyEvents(files[eventsName], m.Case, out.Head); err != nil {
		return Result{}, err
	}
	if out.State, err = verifyCase(files, m.Case); err != nil {
		return Result{}, err
	}
	return out, nil
}

// unpack reads every file of the ZIP, within limits.
func unpack(r io.ReaderAt, size int64) (map[string][]byte, error) {
	if size > maxTotal {
		return nil, fmt.Errorf("the pack is larger than %d MiB", maxTotal>>20)
	}
	z, err := zip.NewReader(r, size)
	if err != nil {
		return nil, errors.New("this is no ZIP file, or a part of one")
	}
	if len(z.File) > maxMembers {
		return nil, fmt.Errorf("the pack has more than %d files", maxMembers)
	}
	files, total := map[string][]byte{}, int64(0)
	for _, f := range z.File {
		if _, twice := files[f.Name]; twice {
			return nil, fmt.Errorf("%q is in the pack twice", f.Name)
		}
		if f.UncompressedSize64 > maxMember {
			return nil, fmt.Errorf("%q is larger than %d MiB", f.Name, maxMember>>20)
		}
		text, err := unpackFile(f)
		if err != nil {
			return nil, err
		}
		if total += int64(len(text)); total > maxTotal {
			return nil, fmt.Errorf("the pack unpacks to more than %d MiB", maxTotal>>20)
		}
		files[f.Name] = text
	}
	return files, nil
}

// unpackFile does not believe the size that the ZIP states.
func unpackFile(f *zip.File) ([]byte, error) {
	in, err := f.Open()
	if err != nil {
		return nil, fmt.Errorf("%q cannot be unpacked", f.Name)
	}
	defer in.Close()
	text, err := io.ReadAll(io.LimitReader(in, maxMember+1))
	if err != nil {
		return nil, fmt.Errorf("%q is damaged", f.Name)
	}
	if len(text) > maxMember {
		return nil, fmt.Errorf("%q is larger than %d MiB", f.Name, maxMember>>20)
	}
	return text, nil
}

// readManifest checks the signature and then every file against the manifest.
func readManifest(files map[string][]byte, public string) (manifest, error) {
	var m manifest
	text, ok := files[manifestName]
	if !ok {
		return m, fmt.Errorf("there is no %s: this is no evidence pack", manifestName)
	}
	if err := chain.OpenSum(files[signatureName], public, signed, sha256.Sum256(text)); err != nil {
		return m, fmt.Errorf("%s: %w", signatureName, err)
	}
	if err := strict(text, &m); err != nil {
		return m, fmt.Errorf("%s cannot be read: %w", manifestName, err)
	}
	if m.Format != format {
		return m, fmt.Errorf("the pack has format %d, this program knows %d", m.Format, format)
	}
	listed := map[string]bool{manifestName: true, signatureName: true}
	for _, f := range m.Members {
		text, ok := files[f.Name]
		switch {
		case !ok:
			return m, fmt.Errorf("%q is missing", f.Name)
		case int64(len(text)) != f.Size || sha256.Sum256(text) != f.SHA256:
			return m, fmt.Errorf("%q was changed", f.Name)
		}
		listed[f.Name] = true
	}
	for name := range files {
		if !listed[name] {
			return m, fmt.Errorf("%q was added", name)
		}
	}
	return m, nil
}

// verifyEvents checks that the events are in the audit of the head, in order, and
// tell of the case.
func verifyEvents(text []byte, number string, head chain.Head) (int, error) {
	var events []Event
	if err := strict(text, &events); err != nil {
		return 0, fmt.Errorf("%s cannot be read: %w", eventsName, err)
	}
	last := int64(0)
	for _, e := range events {
		if e.Seq <= last {
			return 0, fmt.Errorf("event %d is out of order", e.Seq)
		}
		last = e.Seq
		if e.Object != number && !strings.Contains(e.Detail, number) {
			return 0, fmt.Errorf("event %d is not of case %s", e.Seq, number)
		}
		if err := chain.Proves(e.Proof, head, e.Event); err != nil {
			return 0, err
		}
	}
	if len(events) == 0 {
		return 0, errors.New("the pack has no event of its case")
	}
	return len(events), nil
}

// verifyCase checks that the mails are those that the case names, by the hashes
// that were taken when they came in.
func verifyCase(files map[string][]byte, number string) (state string, err error) {
	var c Case
	if err := strict(files[caseName], &c); err != nil {
		return "", fmt.Errorf("%s cannot be read: %w", caseName, err)
	}
	if c.Number != number {
		return "", fmt.Errorf("%s is of case %s", caseName, c.Number)
	}
	for _, mail := range c.Mails {
		if mail.File == "" {
			continue
		}
		if raw, ok := files[mail.File]; !ok || fmt.Sprintf("%x", sha256.Sum256(raw)) != mail.SHA256 {
			return "", fmt.Errorf("%q is not the mail that came in", mail.File)
		}
	}
	return c.State, nil
}

// strict decodes JSON that has no unknown field and nothing after it.
func strict(text []byte, to any) error {
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(to); err != nil {
		return err
	}
	if _, err := d.Token(); err != io.EOF {
		return errors.New("something follows after its end")
	}
	return nil
}
