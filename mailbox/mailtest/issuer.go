package mailtest

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
)

// IssuerFault is what an [Issuer] does instead of answering well.
type IssuerFault string

// The faults. With IssuerLost a token is issued and the connection is dropped before it is told: done, but reported as
// failed.
const (
	IssuerWell     IssuerFault = ""
	IssuerHang     IssuerFault = "hang"
	IssuerGarbage  IssuerFault = "garbage"
	IssuerEndless  IssuerFault = "endless"
	IssuerDown     IssuerFault = "down" // 500
	IssuerLost     IssuerFault = "lost"
	IssuerRedirect IssuerFault = "redirect"
)

// Issuer is a real OAuth token endpoint (RFC 6749) with token introspection (RFC 7662), by HTTP on loopback. Fill in what
// it knows before the first request; after that, its methods alone.
type Issuer struct {
	Subject  string         // whose tokens it issues
	ClientID string         //
	Secret   string         // of the client
	Refresh  string         // the refresh token that is good now; each use replaces it
	Key      *rsa.PublicKey // of the service account
	Life     time.Duration  // of a token; 0: not told

	addr string
	http *http.Server
	gone chan struct{} // closed to end requests that hang
	done chan struct{}

	mu      sync.Mutex
	fault   IssuerFault
	refusal [2]string
	issued  int
	asked   int
	good    map[string]string // token -> subject
	last    string
}

// NewIssuer starts an issuer. The caller closes it.
func NewIssuer(subject string) (*Issuer, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("start issuer: %w", err)
	}
	i := &Issuer{Subject: subject, ClientID: "client", Secret: "client secret", Refresh: "refresh-0", Life: time.Hour,
		addr: l.Addr().String(), gone: make(chan struct{}), done: make(chan struct{}), good: map[string]string{}}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /token", i.token)
	mux.HandleFunc("POST /introspect", i.introspect)
	i.http = &http.Server{Handler: mux, ErrorLog: quiet, ReadHeaderTimeout: time.Minute}
	go func() {
		defer close(i.done)
		_ = i.http.Serve(l) // ends with Close; nothing else can end a loopback listener
	}()
	return i, nil
}

// Close stops it.
func (i *Issuer) Close() error {
	close(i.gone)
	err := i.http.Close()
	<-i.done
	return err
}

// TokenURL is where tokens are issued.
func (i *Issuer) TokenURL() string { return "http://" + i.addr + "/token" }

// IntrospectURL is for the mail server.
func (i *Issuer) IntrospectURL() string { return "http://" + i.addr + "/introspect" }

// Fault makes f happen from now on.
func (i *Issuer) Fault(f IssuerFault) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.fault = f
}

// Refuse makes it answer every request with an error code and description from now on; an empty code ends that.
func (i *Issuer) Refuse(code, text string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.refusal = [2]string{code, text}
}

// Revoke ends every token.
func (i *Issuer) Revoke() {
	i.mu.Lock()
	defer i.mu.Unlock()
	clear(i.good)
}

// Asked counts requests for a token.
func (i *Issuer) Asked() int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.asked
}

// Issued counts tokens.
func (i *Issuer) Issued() int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.issued
}

// Last is the newest token.
func (i *Issuer) Last() string {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.last
}

// Good tells whether token is one of user's; it is for mail servers in this process.
func (i *Issuer) Good(user, token string) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.good[token] == user
}

func (i *Issuer) introspect(w http.ResponseWriter, r *http.Request) {
	i.mu.Lock()
	user, ok := i.good[r.FormValue("token")]
	i.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]any{"active": ok, "username": user}) // a client that has gone is no matter
}

func (i *Issuer) token(w http.ResponseWriter, r *http.Request) {
	i.mu.Lock()
	i.asked++
	fault := i.fault
	i.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	switch fault {
	case IssuerHang:
		select {
		case <-i.gone:
		case <-r.Context().Done():
		}
		panic(http.ErrAbortHandler)
	case IssuerGarbage:
		fmt.Fprint(w, `{"access_token": 7, <html>`)
	case IssuerEndless:
		fmt.Fprintf(w, `{"access_token":"x","filler":"%s"}`, strings.Repeat("a", 1<<20))
	case IssuerDown:
		w.WriteHeader(http.StatusInternalServerError)
		fmt.Fprint(w, "<h1>down</h1>")
	case IssuerRedirect:
		http.Redirect(w, r, "/token", http.StatusTemporaryRedirect)
	default:
		i.issue(w, r, fault)
	}
}

func (i *Issuer) issue(w http.ResponseWriter, r *http.Request, fault IssuerFault) {
	i.mu.Lock()
	defer i.mu.Unlock()
	code, text := i.refusal[0], i.refusal[1]
	if code == "" {
		code, text = i.judge(r)
	}
	if code != "" {
		w.WriteHeader(http.StatusBadRequest)
		_ = json.NewEncoder(w).Encode(map[string]string{"error": code, "error_description": text}) // as above
		return
	}
	i.issued++
	i.last = fmt.Sprintf("token-%d-%s", i.issued, strings.Repeat("t", 60))
	i.good[i.last] = i.Subject
	answer := map[string]any{"token_type": "Bearer", "access_token": i.last}
	if i.Life > 0 {
		answer["expires_in"] = int(i.Life / time.Second)
	}
	if r.FormValue("grant_type") == "refresh_token" {
		i.Refresh = fmt.Sprintf("refresh-%d", i.issued)
		answer["refresh_token"] = i.Refresh
	}
	if fault == IssuerLost {
		panic(http.ErrAbortHandler)
	}
	_ = json.NewEncoder(w).Encode(answer) // as above
}

// judge checks a request; the caller holds mu.
func (i *Issuer) judge(r *http.Request) (code, text string) {
	client := r.FormValue("client_id") == i.ClientID && r.FormValue("client_secret") == i.Secret
	switch r.FormValue("grant_type") {
	case "client_credentials":
		if !client {
			return "invalid_client", "AADSTS7000215: Invalid client secret provided."
		}
		if r.FormValue("scope") == "" {
			return "invalid_scope", "no scope"
		}
	case "refresh_token":
		if !client {
			return "invalid_client", "unknown client"
		}
		if r.FormValue("refresh_token") != i.Refresh {
			return "invalid_grant", "Token has been expired or revoked."
		}
	case "urn:ietf:params:oauth:grant-type:jwt-bearer":
		if !i.vouched(r.FormValue("assertion")) {
			return "invalid_grant", "Invalid JWT Signature."
		}
	default:
		return "unsupported_grant_type", ""
	}
	return "", ""
}

// vouched checks the signature and the claims of an assertion (RFC 7523 3).
func (i *Issuer) vouched(assertion string) bool {
	parts := strings.Split(assertion, ".")
	if len(parts) != 3 || i.Key == nil {
		return false
	}
	sum := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	signature, err := base64.RawURLEncoding.DecodeString(parts[2])
	if err != nil || rsa.VerifyPKCS1v15(i.Key, crypto.SHA256, sum[:], signature) != nil {
		return false
	}
	var claims struct {
		Sub   string `json:"sub"`
		Scope string `json:"scope"`
		Exp   int64  `json:"exp"`
	}
	raw, err := base64.RawURLEncoding.DecodeString(parts[1])
	return err == nil && json.Unmarshal(raw, &claims) == nil && claims.Sub == i.Subject && claims.Scope != "" &&
		time.Unix(claims.Exp, 0).After(time.Now())
}
