package main

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
)

// everything downloads all bodies in one FETCH and keeps nothing: what "download
// everything" costs at the least. It is this program again.
func everything() reader {
	return command("raw-download", false, func(s *scene, _, host, port string) ([]string, error) {
		self, err := os.Executable()
		return []string{self, "-raw", host + ":" + port + "," + s.dovecot.User + "," + s.dovecot.Password}, err
	})
}

func download(whereAndWho string) error {
	words := strings.Split(whereAndWho, ",")
	if len(words) != 3 {
		return errors.New("-raw wants address,user,password")
	}
	conn, err := net.Dial("tcp", words[0])
	if err != nil {
		return err
	}
	defer conn.Close()
	in := bufio.NewReaderSize(conn, 256<<10)
	for i, command := range []string{fmt.Sprintf("LOGIN %q %q", words[1], words[2]), "EXAMINE INBOX", "UID FETCH 1:* (UID BODY.PEEK[])", "LOGOUT"} {
		tag := fmt.Sprintf("a%d ", i)
		if _, err := fmt.Fprintf(conn, "%s%s\r\n", tag, command); err != nil {
			return err
		}
		if err := answered(in, tag); err != nil {
			return fmt.Errorf("%s: %w", command, err)
		}
	}
	return nil
}

// answered reads to the end of a command's answer, past literals (RFC 9051 4.3).
func answered(in *bufio.Reader, tag string) error {
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return err
		}
		if strings.HasPrefix(line, tag) {
			if !strings.HasPrefix(line, tag+"OK") {
				return errors.New(strings.TrimSpace(line))
			}
			return nil
		}
		if line = strings.TrimSpace(line); strings.HasSuffix(line, "}") {
			n, err := strconv.Atoi(line[strings.LastIndexByte(line, '{')+1 : len(line)-1])
			if err != nil {
				return err
			}
			if _, err := in.Discard(n); err != nil {
				return err
			}
		}
	}
}
