package browser_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"sync"
	"testing"
	"time"
)

// A house is a running demo: the real program, started as a newcomer starts it.
type house struct{ guide, panel, desk string }

// built is where the program lies, "" before it was built.
var built string

// binary builds the program once.
var binary = sync.OnceValues(func() (string, error) {
	var err error
	if built, err = os.MkdirTemp("", "resetdesk-browser-"); err != nil {
		return "", err
	}
	path := filepath.Join(built, "resetdesk")
	build := exec.Command("go", "build", "-C", filepath.Join("..", "..", ".."), "-o", path, "./cmd/resetdesk")
	build.Stderr = os.Stderr
	return path, build.Run()
})

func TestMain(m *testing.M) {
	code := m.Run()
	if built != "" {
		_ = os.RemoveAll(built)
	}
	os.Exit(code)
}

// A screen is what the program prints to.
type screen struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (s *screen) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(b)
}

func (s *screen) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

var address = regexp.MustCompile(`http://(?:127\.0\.0\.1|localhost):\d+`)

// openHouse starts a demo and ends it with the test, by Ctrl-C, after which it
// must be gone at once and without complaint.
func openHouse(t *testing.T, host string) house {
	t.Helper()
	path, err := binary()
	if err != nil {
		t.Fatalf("build the program: %v", err)
	}
	out := &screen{}
	program := exec.Command(path, "demo", "-listen", host+":0", "-wait", "2s")
	program.Stdout, program.Stderr = out, out
	if err := program.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- program.Wait() }()
	t.Cleanup(func() {
		_ = program.Process.Signal(os.Interrupt)
		select {
		case err := <-ended:
			if err != nil {
				t.Errorf("the demo ended with %v:\n%s", err, out)
			}
		case <-time.After(10 * time.Second):
			_ = program.Process.Kill()
			t.Error("the demo does not end")
		}
	})
	for begun := time.Now(); time.Since(begun) < 30*time.Second && len(ended) == 0; time.Sleep(20 * time.Millisecond) {
		if a := address.FindAllString(out.String(), 3); len(a) == 3 {
			return house{a[0], a[1], a[2]}
		}
	}
	t.Fatalf("the demo printed no addresses:\n%s", out)
	return house{}
}
