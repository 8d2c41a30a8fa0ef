package expected

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// notExpected are the only tests of the suite that are in no list, with the reason.
var notExpected = map[string]string{
	"GatewayInfrastructure": "looks for a ServiceAccount, Pod or Service that the gateway made; there is no cluster",
}

func TestListsAreWhatTheSuiteHas(t *testing.T) {
	lists, err := Profiles()
	require.NoError(t, err)
	offered := SuiteProfiles()
	require.Len(t, lists, len(offered))
	for i, list := range lists {
		assert.Equal(t, offered[i].Name, list.Name)
		wanted := slices.DeleteFunc(slices.Clone(offered[i].Tests), func(test Test) bool {
			return notExpected[test.Name] != ""
		})
		assert.ElementsMatch(t, wanted, list.Tests, list.Name)
	}
}

// The counts of Gateway API v1.6.1, so that neither a newer suite nor a shorter list goes unnoticed.
func TestCounts(t *testing.T) {
	lists, err := Profiles()
	require.NoError(t, err)
	counts := map[string][2]int{}
	for _, list := range lists {
		counts[list.Name] = [2]int{list.Count(Core), list.Count(Extended)}
	}
	assert.Equal(t, map[string][2]int{
		"GATEWAY-HTTP": {37, 56},
		"GATEWAY-GRPC": {15, 9},
		"GATEWAY-TLS":  {20, 14},
		"GATEWAY-TCP":  {19, 9},
		"GATEWAY-UDP":  {20, 9},
		"":             {0, 2},
	}, counts)
	assert.Len(t, AllNames(lists), 130)
}

func TestListsAreSortedWithoutDoubles(t *testing.T) {
	lists, err := Profiles()
	require.NoError(t, err)
	for _, list := range lists {
		for i, test := range list.Tests[1:] {
			before := list.Tests[i]
			isAfter := before.Level < test.Level || before.Level == test.Level && before.Name < test.Name
			assert.True(t, isAfter, "%s: %s after %s", list.Name, test.Name, before.Name)
		}
	}
}

func TestParseRefusesOtherLines(t *testing.T) {
	tests, err := parse("x.txt", "# comment\n\ncore A # why\nextended B\n")
	require.NoError(t, err)
	assert.Equal(t, []Test{{"A", Core}, {"B", Extended}}, tests)
	for _, text := range []string{"A", "core", "core A B", "Core A"} {
		_, err := parse("x.txt", text)
		assert.ErrorContains(t, err, "x.txt:1", text)
	}
}
