package api_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/resetdesk/resetdesk/ui/api"
)

const csvFile = `account_id,account_name,locale,user_id,login,email,role,api_only,notify,full_name
A-1001,ACME GmbH,de,U-1,anna,anna@acme.example,admin,0,it@acme.example,Anna Admin
A-1001,ACME GmbH,de,U-2,jane,jane@acme.example,user,0,,
A-2002,Beta BV,nl,U-3,piet,piet@beta.example,admin,0,,
A-2002,Beta BV,nl,U-4,sanne,sanne@beta.example,user,0,,
A-2002,Beta BV,nl,U-5,whmcs,,user,1,,
`

func (h *house) importCSV(file, query string) reply {
	h.t.Helper()
	return h.ask("POST", "/accounts:import"+query, file, "Content-Type", "text/csv")
}

func (a reply) counts(t *testing.T, want map[string]float64) {
	t.Helper()
	a.want(t, 200)
	for _, name := range []string{"accounts", "users", "added", "changed", "removed", "addresses_added", "addresses_ended"} {
		if a.json[name] != want[name] {
			t.Errorf("%s is %v, want %v: %s", name, a.json[name], want[name], a.text)
		}
	}
}

func TestImport(t *testing.T) {
	inHouse(t, func(t *testing.T, h *house) {
		whole := map[string]float64{"accounts": 2, "users": 5, "added": 7, "addresses_added": 5}
		h.importCSV(csvFile, "?dry_run=1").counts(t, whole)
		if n := h.count(`SELECT count(*) FROM account`); n != 0 {
			t.Errorf("a dry run made %d accounts", n)
		}
		h.importCSV(csvFile, "").counts(t, whole)
		settle()
		h.importCSV(csvFile, "").counts(t, map[string]float64{"accounts": 2, "users": 5})
		h.importCSV(strings.NewReplacer("ACME GmbH", "ACME AG", "anna@acme", "anna@new", ",1,,", ",0,,").Replace(strings.Replace(csvFile, "whmcs,", "whmcs,w@beta.example", 1)), "").
			counts(t, map[string]float64{"accounts": 2, "users": 5, "changed": 2, "addresses_added": 2, "addresses_ended": 1})
		lines := strings.SplitAfter(csvFile, "\n")
		h.importCSV(strings.Join(lines[:3], ""), "").problem(t, 409, "conflict")
		h.importCSV(strings.Join(lines[:3], ""), "?force=1").want(t, 200)
		h.ask("GET", "/accounts/A-2002", "").problem(t, 404, "not-found")
		if n := h.count(`SELECT count(*) FROM audit WHERE action = 'accounts.imported' AND actor = 'api:1'`); n != 4 {
			t.Errorf("%d imports in the audit", n)
		}
	})
}

// The list as NDJSON says what GET says.
func TestImportNDJSON(t *testing.T) {
	inHouse(t, func(t *testing.T, h *house) {
		h.importCSV(csvFile, "").want(t, 200)
		settle()
		page := h.ask("GET", "/accounts", "").want(t, 200)
		list := strings.TrimSuffix(strings.TrimPrefix(page.text, `{"accounts":[`), "],\"next\":\"\"}\n")
		list = strings.Replace(list, `},{"id":"A-`, "}\n\n"+`{"id":"A-`, 1)
		h.ask("POST", "/accounts:import", list, "Content-Type", "application/x-ndjson").counts(t, map[string]float64{"accounts": 2, "users": 5})
		a := h.ask("POST", "/accounts:import", list+"\n{\"id\":\"A-9\"}\nno\n{\"id\":\"A-8\",\"x\":1}\n{\"users\":[]}", "Content-Type", "application/x-ndjson").problem(t, 422, "invalid")
		if got := fmt.Sprint(a.json["errors"]); !strings.Contains(got, "line:4") || !strings.Contains(got, "line:5") || !strings.Contains(got, `"x" is no member`) || !strings.Contains(got, "line:7") {
			t.Errorf("faults %s", got)
		}
		h.ask("POST", "/accounts:import", strings.Repeat("x", 1<<20+2), "Content-Type", "application/x-ndjson").problem(t, 422, "invalid")
	})
}

func TestImportFaults(t *testing.T) {
	inHouse(t, func(t *testing.T, h *house) {
		h.importCSV("", "").problem(t, 422, "invalid")
		h.ask("POST", "/accounts:import", "{}").problem(t, 415, "media-type")
		h.importCSV("id;name\n", "").problem(t, 422, "invalid")
		h.importCSV("\"", "").problem(t, 422, "invalid")
		h.importCSV(csvFile, "?dry_run=yes").problem(t, 422, "invalid")
		h.importCSV(csvFile, "?force=2").problem(t, 422, "invalid")
		a := h.importCSV(csvFile+"A-3,x,en,U-9,a b,bad,boss,0,,\n"+strings.Repeat("A-3,x,en,U-9\n", 200), "").problem(t, 422, "invalid")
		if n := len(a.json["errors"].([]any)); n != 100 || a.json["more_errors"].(float64) < 100 {
			t.Errorf("%d faults, %v more", n, a.json["more_errors"])
		}
		if n := h.count(`SELECT count(*) FROM account`); n != 0 {
			t.Errorf("%d accounts from bad files", n)
		}
	})
}

// A huge body is refused without being read, over a real connection.
func TestHugeBodies(t *testing.T) {
	h := newHouse(t, t.TempDir())
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Host = "reset.example"
		h.api.ServeHTTP(w, r)
	}))
	defer server.Close()
	const huge = 100 << 20
	for _, c := range []struct {
		path, kind string
		chunked    bool
		most       int // bytes that are read at most, with what sockets buffer
	}{
		{"/users/U-1/verify", "application/json", false, 12 << 20},
		{"/users/U-1/verify", "application/json", true, 12 << 20},
		{"/accounts:import", "text/csv", false, 12 << 20},
		{"/accounts:import", "application/x-ndjson", true, 45 << 20},
	} {
		sent, status := pour(t, server.Listener.Addr().String(), h.key, c.path, c.kind, c.chunked, huge)
		if status != http.StatusRequestEntityTooLarge || sent > c.most {
			t.Errorf("%s %s chunked %v: status %d after %d MiB", c.path, c.kind, c.chunked, status, sent>>20)
		}
	}
}

// pour sends a body of many bytes until the server has enough of it, and returns
// how many it took and what it answered.
func pour(t *testing.T, addr, key, path, kind string, chunked bool, size int) (sent, status int) {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(20 * time.Second))
	length := fmt.Sprintf("Content-Length: %d", size)
	if chunked {
		length = "Transfer-Encoding: chunked"
	}
	fmt.Fprintf(conn, "POST %s%s HTTP/1.1\r\nHost: reset.example\r\nAuthorization: Bearer %s\r\nContent-Type: %s\r\n%s\r\n\r\n", api.Prefix, path, key, kind, length)
	answer := make(chan int, 1)
	go func() {
		res, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			answer <- 0
			return
		}
		io.Copy(io.Discard, res.Body)
		answer <- res.StatusCode
	}()
	block := []byte(strings.Repeat("x", 64<<10-1) + "\n")
	for sent < size {
		if chunked {
			fmt.Fprintf(conn, "%x\r\n", len(block))
		}
		n, err := conn.Write(block)
		sent += n
		if err != nil {
			break
		}
		if chunked {
			io.WriteString(conn, "\r\n")
		}
	}
	return sent, <-answer
}
