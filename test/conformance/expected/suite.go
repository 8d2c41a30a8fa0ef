package expected

import (
	"slices"

	"sigs.k8s.io/gateway-api/conformance/tests"
	"sigs.k8s.io/gateway-api/conformance/utils/suite"
	"sigs.k8s.io/gateway-api/pkg/features"
)

// gatewayProfiles are the suite's own definitions of the profiles, in the order of Names.
var gatewayProfiles = []suite.ConformanceProfile{
	suite.GatewayHTTPConformanceProfile,
	suite.GatewayGRPCConformanceProfile,
	suite.GatewayTLSConformanceProfile,
	suite.GatewayTCPConformanceProfile,
	suite.GatewayUDPConformanceProfile,
}

// SuiteProfiles returns what the suite has in each profile, passed or not, in the suite's order; tests
// of gateways that no profile counts are in a last one without a name.
func SuiteProfiles() []Profile {
	var all []Profile
	counted := map[string]bool{}
	for _, profile := range gatewayProfiles {
		list := Profile{Name: string(profile.Name)}
		for _, test := range tests.ConformanceTests {
			if level, ok := levelIn(profile, test); ok {
				list.Tests = append(list.Tests, Test{test.ShortName, level})
				counted[test.ShortName] = true
			}
		}
		all = append(all, list)
	}
	var others Profile
	for _, test := range tests.ConformanceTests {
		if !counted[test.ShortName] && !isOfMeshes(test) {
			others.Tests = append(others.Tests, Test{test.ShortName, Extended})
		}
	}
	return append(all, others)
}

// FeaturesOf returns the features that a test of the suite needs.
func FeaturesOf(name string) []features.FeatureName {
	for _, test := range tests.ConformanceTests {
		if test.ShortName == name {
			return test.Features
		}
	}
	return nil
}

// IsCore says whether a feature is core in some profile of a gateway.
func IsCore(feature string) bool {
	return slices.ContainsFunc(gatewayProfiles, func(profile suite.ConformanceProfile) bool {
		return profile.CoreFeatures.Has(features.FeatureName(feature))
	})
}

func levelIn(profile suite.ConformanceProfile, test suite.ConformanceTest) (Level, bool) {
	level := Core
	for _, feature := range test.Features {
		switch {
		case profile.CoreFeatures.Has(feature):
		case profile.ExtendedFeatures.Has(feature):
			level = Extended
		default:
			return "", false
		}
	}
	return level, true
}

func isOfMeshes(test suite.ConformanceTest) bool {
	return slices.Contains(test.Features, features.SupportMesh)
}
