// Package sendertest makes signed mails and the DNS that vouches for them, for tests of who wrote a mail, in the way of
// net/http/httptest: a [Zone] answers as a resolver or as a name server on loopback, a [Signer] signs as RFC 6376 says,
// and [Ordinary] writes the mail of ordinary people, in the shapes of real clients and real signers. The signer shares
// no code with the verifier. Nothing here takes a *testing.T.
package sendertest
