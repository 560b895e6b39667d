
(() => {
	const first = 2000, most = 15000, growth = 1.5, patience = 10000;
	const away = new Set([502, 503, 504]);
	const root = document.documentElement;
	const countdown = document.getElementById("countdown");
	const news = document.getElementById("news"); // read aloud, unlike the countdown
	const again = document.getElementById("again");
	const resend = root.dataset.method !== "GET";
	let delay = first, due = 0, busy = false, ticker;

	// A page that was sent (a form) is not asked for again: that would send it twice.
	const url = resend ? again.href : location.href;

	const answered = async () => {
		try {
			const response = await fetch(url, {
				method: "HEAD",
				cache: "no-store",
				redirect: "manual",
				headers: { Accept: "text/html" },
				signal: AbortSignal.timeout(patience),
			});
			return !away.has(response.status);
		} catch {
			return false;
		}
	};

	const back = () => {
		clearInterval(ticker);
		root.classList.add("back");
		countdown.textContent = "";
		news.textContent = resend ? "The site is back." : "The site is back. Loading…";
		if (!resend) location.reload();
	};

	const check = async () => {
		if (busy) return;
		busy = true;
		countdown.textContent = "Checking…";
		if (await answered()) return back();
		busy = false;
		due = Date.now() + delay * (0.8 + 0.4 * Math.random());
		delay = Math.min(delay * growth, most);
		tick();
	};

	const tick = () => {
		if (busy || document.hidden) return;
		const left = Math.ceil((due - Date.now()) / 1000);
		if (left <= 0) return void check();
		countdown.textContent = `Checking again in ${left} second${left === 1 ? "" : "s"}`;
	};

	const soon = () => {
		if (document.hidden || busy) return;
		delay = first;
		check();
	};

	due = Date.now() + first * (0.8 + 0.4 * Math.random());
	ticker = setInterval(tick, 500);
	tick();
	addEventListener("online", soon);
	document.addEventListener("visibilitychange", soon);
	if (!resend) again.addEventListener("click", (event) => {
		event.preventDefault();
		soon();
	});
})();
