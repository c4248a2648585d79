// Carries the ticket that the sign-in page shows to the server, or signs out; then loads the same page again.
(() => {
  const { ticket, action } = document.currentScript.dataset;
  const status = document.getElementById("assay-session-status");
  // The page may be drawn more than once; a ticket is sent once.
  if (window.assaySession === (ticket || action)) return;
  window.assaySession = ticket || action;

  const request = ticket
    ? ["/auth/session", { body: JSON.stringify({ ticket }), headers: { "Content-Type": "application/json" } }]
    : ["/auth/sign-out", {}];
  fetch(request[0], { method: "POST", credentials: "same-origin", ...request[1] })
    .then((answer) => {
      if (ticket && !answer.ok) throw new Error(String(answer.status));
      window.location.reload();
    })
    .catch(() => {
      window.assaySession = undefined;
      if (status) status.textContent = status.dataset.failed;
    });
})();
