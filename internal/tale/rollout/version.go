package rollout

import "github.com/Masterminds/semver/v3"

// IsBefore reports whether a version is known to be before another one. Of what is no
// version nothing is known.
func IsBefore(version, than string) bool {
	a, b, known := parsed(version, than)
	return known && a.LessThan(b)
}

// IsBeforeMinor reports whether a version is known to have a lower minor or major part than
// another one.
func IsBeforeMinor(version, than string) bool {
	a, b, known := parsed(version, than)
	return known && (a.Major() < b.Major() || a.Major() == b.Major() && a.Minor() < b.Minor())
}

// mayBeBefore reports whether a version is before another one, or another of which it is not
// known.
func mayBeBefore(version, than string) bool {
	a, b, known := parsed(version, than)
	return known && a.LessThan(b) || !known && version != than
}

func parsed(first, second string) (a, b *semver.Version, known bool) {
	a, err := semver.NewVersion(first)
	b, wrong := semver.NewVersion(second)
	return a, b, err == nil && wrong == nil
}
