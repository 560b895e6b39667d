// The backend evaluates this file on every push and on every change of its variables: SITE_URL must be in the
// deployment before the functions are, and cannot be removed while they are deployed.
export default {
  providers: [
    {
      domain: process.env.SITE_URL!,
      applicationID: "guestbook",
    },
  ],
};
