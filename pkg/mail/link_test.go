package mail_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"makola/pkg/mail"
)

func TestHasLink(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"https://win.example", "see HTTP://1.2.3.4/x", "shop.com", "shop.example/offer", "(shop.com)", "now at cheap-pills.co.uk!", "www.win", "pay@bank.com", "ama@localhost", "t.co/x", "x.com",
		"ｓｈｏｐ．ｃｏｍ", "shop。com", "магазин.рф", "shop.xn--p1ai", "Hello.Buy now", "ftp://a",
	} {
		require.True(t, mail.HasLink(text), text)
	}
	for _, text := range []string{
		"", "Sales of the day", "Ama's No. 1", "A.B. Mensah", "K.Mensah", "5.50 and 1,234.50 GHS", "26.11.2026", "at 5 p.m.", "e.g. bread", "Dear Kofi, as agreed. Yours, Ama", "10 @ 5 cedis", "Ẹ̀bùn & Co. Ltd.",
		"v1.2", "No.1 shop", "“Quoted.” Text", "24/7", "Ghana: Accra", "wait...", "and so on...then",
	} {
		require.False(t, mail.HasLink(text), text)
	}
}

func TestWhichRefusalsAreOfTheAddress(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		refused mail.PermanentError
		bad     bool
	}{
		"there is no such mailbox":        {mail.PermanentError{Recipient: "a@b.example", Code: 550, Text: "5.1.1 no such user"}, true},
		"the same, in fewer words":        {mail.PermanentError{Recipient: "a@b.example", Code: 550, Text: "no"}, true},
		"a name that cannot be":           {mail.PermanentError{Recipient: "a@b.example", Code: 553, Text: "mailbox name not allowed"}, true},
		"a domain that takes no mail":     {mail.PermanentError{Recipient: "a@b.example", Code: 556, Text: "5.1.10 null MX"}, true},
		"a server that does not like us":  {mail.PermanentError{Recipient: "a@b.example", Code: 550, Text: "5.7.1 refused by policy"}, false},
		"a server that does not say why":  {mail.PermanentError{Recipient: "a@b.example", Code: 554, Text: "transaction failed"}, false},
		"a message that is refused":       {mail.PermanentError{Code: 550, Text: "looks like spam"}, false},
		"a message that no server was at": {mail.PermanentError{Recipient: "a@b.example", Text: "not an address"}, false},
	} {
		require.Equal(t, tt.bad, tt.refused.BadAddress(), name)
	}
}
