// Carries the ticket that the sign-in page shows to the server and then loads the same page again, or the first one
// where the address was a link that is used up; or signs out; or drops a provider's answer that opened nothing.
(() => {
  const { ticket, action, then } = document.currentScript.dataset;
  const status = document.getElementById("assay-session-status");
  // The page may be drawn more than once; a ticket is sent once.
  if (window.assaySession === (ticket || action)) return;
  window.assaySession = ticket || action;

  const request = ticket
    ? ["/auth/session", { body: JSON.stringify({ ticket }), headers: { "Content-Type": "application/json" } }]
    : [`/auth/${action}`, {}];
  fetch(request[0], { method: "POST", credentials: "same-origin", ...request[1] })
    .then((answer) => {
      if (ticket && !answer.ok) throw new Error(String(answer.status));
      if (then === "start") window.location.replace("/");
      else if (action !== "forget-openid") window.location.reload();
    })
    .catch(() => {
      window.assaySession = undefined;
      if (status) status.textContent = status.dataset.failed;
    });
})();
