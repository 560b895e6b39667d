package settings

import "github.com/tale-project/tale-runtime/internal/proxy/routes"

// Table returns the route table for the settings.
func (s *Settings) Table() routes.Table {
	only, _ := parseRanges(s.DashboardAllow)
	table := routes.Table{
		Base: s.Address().Base, Only: only, SitePort: s.HTTPActions == actionsOnSitePort, Metrics: s.MetricsToken != "",
		Addresses: map[routes.Upstream]string{
			routes.Backend: s.Backend, routes.SitePort: s.SitePort, routes.Dashboard: s.Dashboard, routes.Platform: s.Platform,
			routes.Crawler: s.Crawler, routes.RAG: s.RAG, routes.Operator: s.Operator,
		},
	}
	for _, site := range s.Sites() {
		table.Sites = append(table.Sites, routes.Site{Host: site.Host, Address: site.Upstream, Health: site.Health})
	}
	return table
}
