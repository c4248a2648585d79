// Says in words that the connection to the server is lost, and that it is back. What Streamlit shows by itself is one
// word in a corner, and a dialog that speaks of Streamlit and covers the page until somebody closes it.
(() => {
  if (window.assayConnection) return; // the page is drawn many times, this is set up once
  window.assayConnection = true;

  const AGAIN = `.st-key-${document.currentScript.dataset.again} button`;
  const LOST =
    "The connection to the server is lost. What you see and what you typed stays, and the page goes on by itself as soon as the server is back.";
  const BACK = "Connected again.";
  const SIGN = '[data-testid="stConnectionStatus"]';
  const DIALOG = "Connection error";
  const PATIENCE_MS = 700; // a connection that is replaced at once is no news
  const BACK_MS = 4000;

  const banner = document.createElement("div");
  banner.id = "assay-connection";
  banner.setAttribute("role", "status");
  banner.style.cssText =
    "position:fixed;top:0.75rem;left:50%;transform:translateX(-50%);z-index:1000010;box-sizing:border-box;" +
    "width:max-content;max-width:min(40rem,calc(100vw - 2rem));padding:0.6rem 1rem;border-radius:8px;color:#fff;" +
    "font-size:0.95rem;line-height:1.4;box-shadow:0 2px 12px rgba(0,0,0,0.25);display:none";
  document.body.append(banner);

  let isLost = false;
  let isSaid = false;
  let timer;

  const say = (text, color) => {
    banner.style.fontFamily = getComputedStyle(document.querySelector('[data-testid="stApp"]') || document.body).fontFamily;
    banner.style.background = color;
    banner.style.display = text ? "block" : "none";
    banner.textContent = text;
  };
  const sayLost = () => {
    isSaid = true;
    say(LOST, "#8A4B00");
  };
  const look = () => {
    for (const dialog of document.querySelectorAll('[role="dialog"]')) {
      if (dialog.textContent.startsWith(DIALOG)) dialog.querySelector('button[aria-label="Close"]')?.click();
    }
    const isGone = !navigator.onLine || document.querySelector(SIGN) !== null;
    if (isGone === isLost) return;
    isLost = isGone;
    clearTimeout(timer);
    if (isLost) {
      timer = setTimeout(sayLost, PATIENCE_MS);
      return;
    }
    document.querySelector(AGAIN)?.click(); // nobody else runs the page
    if (isSaid) {
      isSaid = false;
      say(BACK, "#1E7A4C");
      timer = setTimeout(say, BACK_MS, "", "");
    }
  };

  new MutationObserver(look).observe(document.body, { childList: true, subtree: true });
  window.addEventListener("online", look);
  window.addEventListener("offline", look);
  look();
})();
