export default { providers: [{ domain: process.env.SITE_URL, applicationID: "convex" }] };
