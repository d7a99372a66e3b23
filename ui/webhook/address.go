package webhook

import "net/netip"

// private4 are the networks of IPv4 that are not the public Internet (RFC 6890
// and its registry), multicast among them.
var private4 = prefixes("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12",
	"192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24",
	"224.0.0.0/4", "240.0.0.0/4")

// Of IPv6 only global unicast is public (RFC 4291), without what stands for other
// networks in it: Teredo and the like, documentation, and 6to4, which holds any
// IPv4 address.
var (
	public6  = netip.MustParsePrefix("2000::/3")
	private6 = prefixes("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20")
)

func prefixes(texts ...string) []netip.Prefix {
	var all []netip.Prefix
	for _, t := range texts {
		all = append(all, netip.MustParsePrefix(t))
	}
	return all
}

// Allowed reports whether an endpoint may be at an address: a public one, or one
// in a network that the operator named. Without TLS only the latter.
func Allowed(a netip.Addr, own []netip.Prefix, plain bool) bool {
	bare := a.Unmap().WithZone("")
	if within(bare, own) {
		return true
	}
	if plain || a.Is4In6() || a.Zone() != "" {
		return false
	}
	if a.Is4() {
		return !within(a, private4)
	}
	return public6.Contains(a) && !within(a, private6)
}

func within(a netip.Addr, networks []netip.Prefix) bool {
	for _, p := range networks {
		if p.Contains(a) {
			return true
		}
	}
	return false
}
