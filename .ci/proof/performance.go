package main

func performance() page {
	p := page{file: "docs/performance.md", head: "# Performance\n\nHow fast resetdesk is beside what one would use instead, beside the least that anybody can take, and beside its goals. The page is\n" +
		"written by `make performance`; `ONLY=pages` refreshes one section. Each has its command, the commit and the machine. What is compared was\n" +
		"measured in turns (A B A B) in one run; a cell is the median of the runs (of an even number the higher of the two in the middle), with the range behind it. Figures of two sections do not compare.\n"}
	for _, m := range measures {
		p.sections = append(p.sections, section{m.name, m.run})
	}
	p.sections = append(p.sections, section{"profiles", nil})
	return p
}

// peers are the programs that read a mailbox beside resetdesk, and the server.
var peers = []string{"dovecot", "mbsync", "getmail", "fetchmail", "python3", "modernc.org/sqlite"}

const readers = "resetdesk does its whole job: from a database that knows the accounts and no mail to the moment when every mail has its fate and every " +
	"request its case and its letters, sender verified, all durable. The others fetch: into a Maildir (mbsync, getmail6), into `cat >/dev/null` " +
	"(fetchmail), into a hash (imaplib), or nowhere (raw-download: all bodies in one FETCH). getmail6, fetchmail and imaplib one by one take minutes; they read fewer " +
	"mails. x-resetdesk is how many times as long one mail takes as with resetdesk in the same turn, the start of the program included. peak-MB is VmHWM of the program itself. "

var measures = []measure{
	{"reading", "Reading a mailbox", readers + "2 % are requests; the mails have 2 to 20 KB, a few 5 to 25 MB. The server's cache is warm.",
		[]string{"RESETDESK_MAILS=10000", "RESETDESK_SLOW=1000", "RESETDESK_TURNS=5"}, [][]string{{"go", "run", "./cmd/resetdesk/speed"}}, `mails: |installed|failed`, peers,
		[]goal{
			{"at least 10 times as fast as mbsync with fsync", `^Read/mbsync-fsync/`, "x-resetdesk", 10, true},
			{"at least 50 times as fast as fetchmail", `^Read/fetchmail/`, "x-resetdesk", 50, true},
			{"at least 150 times as fast as getmail6", `^Read/getmail6/`, "x-resetdesk", 150, true},
			{"no slower than the download of all bodies", `^Read/raw-download/`, "x-resetdesk", 1, true},
			{"at most 64 MB of memory", `^Read/resetdesk/`, "peak-MB", 64, false},
			{"at most 15 % of the bytes", `^Read/resetdesk/`, "%-of-corpus", 15, false},
		}},
	{"cold", "Reading a mailbox, cold", "The readers and figures are those of Reading a mailbox. Before every run the server's index is removed and the system's cache of files is dropped.",
		[]string{"RESETDESK_MAILS=10000", "RESETDESK_TURNS=3"}, [][]string{{"go", "run", "./cmd/resetdesk/speed", "-cold", "-slow", "0"}}, `mails: |installed|failed`, peers,
		[]goal{
			{"at least 10 times as fast as mbsync with fsync", `^Read/mbsync-fsync/`, "x-resetdesk", 10, true},
			{"at least 2 times as fast as mbsync without fsync", `^Read/mbsync-no-fsync/`, "x-resetdesk", 2, true},
			{"no slower than the download of all bodies", `^Read/raw-download/`, "x-resetdesk", 1, true},
		}},
	{"far", "Reading a mailbox 20 ms away", "The readers and figures are those of Reading a mailbox. A program on the way delays by 20 ms for the round trip and lets 200 Mbit/s through. round-trips is how much longer " +
		"resetdesk takes than over the same link without the delay, in times of 20 ms; turns is how often a program spoke after the server had, signing in and out included.",
		[]string{"RESETDESK_MAILS=10000", "RESETDESK_SLOW=1000", "RESETDESK_TURNS=3"}, [][]string{{"go", "run", "./cmd/resetdesk/speed", "-rtt", "20ms", "-mbit", "200"}}, `mails: |installed|failed`, peers,
		[]goal{
			{"at least 8 times as fast as mbsync in any mode", `^Read/mbsync`, "x-resetdesk", 8, true},
			{"at most 5 round trips beyond the bytes", `^Read/resetdesk/`, "round-trips", 5, false},
		}},
	{"large", "Reading ten times as much", "The readers and figures are those of Reading a mailbox. x-first-size and MB-over-first-size hold the large mailbox against the small one of the same turn.",
		[]string{"RESETDESK_SIZES=10000,100000", "RESETDESK_TURNS=3"},
		[][]string{{"go", "run", "./cmd/resetdesk/speed", "-mails", "$RESETDESK_SIZES", "-slow", "0", "-only", "raw|mbsync|headers"}}, `mails: |installed|failed`, peers,
		[]goal{
			{"ten times the mails cost at most 11 times as much", `^Read/resetdesk/`, "x-first-size", 11, false},
			{"at most 64 MB of memory", `^Read/resetdesk/`, "peak-MB", 64, false},
			{"at most 5 MB more than for a tenth", `^Read/resetdesk/`, "MB-over-first-size", 5, false},
		}},
	{"nothing new", "A mailbox that has nothing new", "The watcher is woken and finds nothing: what one such look costs, from DONE to the next IDLE. turns are commands that waited for an answer, counted where each takes 5 ms.",
		[]string{"RESETDESK_COUNT=3"}, [][]string{{"go", "test", "-run", "^$", "-bench", "BenchmarkPoll", "-count=$RESETDESK_COUNT", "./mailbox"}}, ``, []string{"dovecot"},
		[]goal{
			{"at most 2 round trips", `^Poll/`, "turns", 2, false},
			{"at most 1 KB, whatever the size of the mailbox", `^Poll/`, "bytes", 1000, false},
		}},
	{"moments", "From arrival to case, from approval to the mail server", "The real program between Dovecot and Postfix's smtp-sink. arrival-to-case: from the end of the APPEND's connection until the case is committed; " +
		"Dovecot holds back IDLE notices for up to half a second. notice-to-case: our own share of it, from the server's notice on the wire. approval-to-accepted: from the answer to the " +
		"vote to the mail server's 250 for each of the three letters, as seen on the wire. What comes too seldom to be timed here is held by `TestSilenceIsNoticed` and `TestDeadPeer` in `mailbox`: " +
		"a server that hangs is noticed in five minutes, in 90 s while it owes an answer; a peer that is gone in one, by keep-alive.",
		[]string{"RESETDESK_STORIES=1000"}, [][]string{{"go", "test", "-count=1", "-timeout", "2h", "-run", "TestStoryOnRealServers", "-v", "./cmd/resetdesk"}}, ` ms +[\d.]+ %|stories`, []string{"dovecot", "modernc.org/sqlite"},
		[]goal{
			{"arrival to case: p95 at most 550 ms", `^Moment/arrival-to-case`, "p95-ms", 550, false},
			{"our own share: p99 at most 50 ms", `^Moment/notice-to-case`, "p99-ms", 50, false},
			{"approval to the 250: p99 at most 250 ms", `^Moment/approval-to-accepted`, "p99-ms", 250, false},
		}},
	{"second factor", "The second factor", "Key.Verify beside three bare HMAC-SHA-1 with their key set-up; Book.Verify beside a bare durable UPDATE of one row in the same file; " +
		"a thousand sign-ins from 64 clients at once beside the same one after the other.",
		[]string{"RESETDESK_COUNT=5"}, [][]string{{"go", "test", "-run", "^$", "-bench", "KeyVerify|BookVerify", "-count=$RESETDESK_COUNT", "./totp"}}, ``, []string{"modernc.org/sqlite"},
		[]goal{
			{"Key.Verify: at most 3 times three bare HMACs", `^KeyVerify`, "x-three-HMACs", 3, false},
			{"Book.Verify: at least 60 % of the rate of a bare UPDATE", `^BookVerify/one-client`, "%-of-bare", 60, true},
			{"64 clients: at least 5 times the rate of one", `^BookVerify/clients`, "x-one-client", 5, true},
		}},
	{"pages", "The pages of the desk", "A signed-in browser asks the real handlers over HTTP for the same pages of a desk with 1,000 cases and of one with very many (and five events of " +
		"the audit each), in turns; `writing` while each desk takes in and assesses up to 50 mails a second, one in fifty of which opens a case; mails/s is what the slower one did. bytes are those on the wire, without the proxy's compression.",
		[]string{"RESETDESK_CASES=1000000", "RESETDESK_TURNS=3"}, [][]string{{"go", "test", "-timeout", "3h", "-run", "^$", "-bench", "BenchmarkPages", "-benchtime=3s", "-v", "./review"}}, `cases, \d+ of them`,
		[]string{"modernc.org/sqlite"},
		[]goal{
			{"a million cases: at least half the requests a second of 1,000", `^Pages/quiet/(queue|case|search|audit)$`, "ratio", 0.5, true},
			{"the same with a writer beside the readers", `^Pages/writing/(queue|case|search|audit)$`, "ratio", 0.5, true},
		}},
	{"intake", "Intake on one core", "Assess: mails of 3 KB from registered addresses, from rows without a fate to their fates, or to cases with their letters (asks=true), durable; signed, with the " +
		"key in the cache, or not. " +
		"Receive: mails that do not concern us, in batches of 500. Verify beside the bare verification of go-msgauth. Classify5KB: intent of a text of 5 KB. Whom5KB: that, and the match with the accounts that the writer stands for, ten users each; an index finds them among all.",
		[]string{"GOMAXPROCS=1", "RESETDESK_COUNT=5"}, [][]string{
			{"go", "test", "-run", "^$", "-bench", "Assess", "-benchtime=5x", "-count=$RESETDESK_COUNT", "./review"},
			{"go", "test", "-run", "^$", "-bench", "Receive|Concerns", "-count=$RESETDESK_COUNT", "./review"},
			{"go", "test", "-run", "^$", "-bench", "Gate|Verify", "-count=$RESETDESK_COUNT", "./mailbox/sender"},
			{"go", "test", "-run", "^$", "-bench", "5KB", "-count=$RESETDESK_COUNT", "./review/intent"},
		}, ``, []string{"modernc.org/sqlite"},
		[]goal{
			{"the gate reads at least 200 MB a second of headers", `^Gate`, "MB/s", 200, true},
			{"a signed mail: at most twice the bare verification", `^Verify`, "x-library", 2, false},
			{"intent and match of 5 KB, one account: at most 0.3 ms", `^Whom5KB/accounts=1$`, "ns/op", 300_000, false},
		}},
}
