package proxy

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestUnexpectedLines(t *testing.T) {
	expected := []string{
		`{"level":"info","msg":"ready"}`,
		`{"level":"warn","code":"attachment","object":"HTTPRoute a/b","msg":"fits no listener"}`,
		`{"level":"error","code":"grant-missing","object":"HTTPRoute a/b","msg":"no grant"}`,
		`{"level":"error","bind":"tcp/192.0.2.1:80","errno":"EADDRNOTAVAIL","msg":"cannot listen"}`,
		`{"log":"exchange","reason":"no-route"}`,
		`{"log":"connection","reason":"completed"}`,
	}
	unexpected := []string{
		`{"level":"error","code":"schema","object":"HTTPRoute a/b","msg":"refused"}`,
		`{"level":"error","code":"reference","msg":"of no object"}`,
		`{"level":"error","bind":"tcp/127.0.0.1:80","errno":"EADDRINUSE","msg":"cannot listen"}`,
		`{"level":"warn","msg":"the worker has ended"}`,
		`{"level":"fatal","msg":"a defect"}`,
		`{"log":"exchange","reason":"internal-error"}`,
		`TypeError: x is not a function`,
	}
	found, err := UnexpectedLines(strings.NewReader(strings.Join(append(expected, unexpected...), "\n")))
	require.NoError(t, err)
	assert.Equal(t, unexpected, found)
}
