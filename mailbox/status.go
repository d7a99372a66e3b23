package mailbox

import "time"

// Status is how a [Watcher] is doing, for people.
type Status struct {
	Connected bool      // every folder has a working connection
	Alarm     bool      // somebody must act: it will not get better by itself, or has not for 15 minutes
	LastPoll  time.Time // the oldest of the folders' last completed looks; zero: a folder has never been looked at
	LastMail  time.Time // when the last mail was received into the Inbox
	LastError string    // in words, without any secret; empty when all is well
	Folders   []FolderStatus
}

// FolderStatus is how one folder's watch is doing.
type FolderStatus struct {
	Source    Source
	Connected bool
	Alarm     bool
	State     string    // "connecting", "reading", "waiting for mail", "sign-in refused", …
	Started   time.Time // when the watch began
	LastPoll  time.Time // when a look was last completed
	LastMail  time.Time
	Waiting   int // mails that a look found on the server and that are not received yet, but for backlog
	// WaitingSince is when the oldest of them came, by the server's clock, but not before the look that did not see it.
	WaitingSince time.Time
	LastSweep    time.Time // when the last comparison of all its mails with the Inbox began; zero: one is due
	LastError    string
	ErrorAt      time.Time
}

// PostmanStatus is how a [Postman] is doing, for people.
type PostmanStatus struct {
	Connected bool
	Alarm     bool      // the sign-in is refused, or nothing could be sent for an hour although letters wait
	LastSent  time.Time // when the server last took a letter
	LastError string    // in words, without any secret; empty when all is well
	ErrorAt   time.Time
}
