
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

	// What the page says is of one of two states: an update, or one that has failed.
	const here = root.dataset.update;
	let there = here;

	const answered = async () => {
		try {
			const response = await fetch(url, {
				method: "HEAD",
				cache: "no-store",
				redirect: "manual",
				headers: { Accept: "text/html" },
				signal: AbortSignal.timeout(patience),
			});
			there = response.headers.get("Tale-Update") || "";
			return !away.has(response.status);
		} catch {
			return false;
		}
	};

	const back = () => {
		clearInterval(ticker);
		root.classList.add("back");
		countdown.textContent = "";
		news.textContent = resend ? news.dataset.back : news.dataset.loading;
		if (!resend) location.reload();
	};

	const check = async () => {
		if (busy) return;
		busy = true;
		countdown.textContent = countdown.dataset.checking;
		if (await answered()) return back();
		if (there !== here && !resend) return location.reload();
		busy = false;
		due = Date.now() + delay * (0.8 + 0.4 * Math.random());
		delay = Math.min(delay * growth, most);
		tick();
	};

	const tick = () => {
		if (busy || document.hidden) return;
		const left = Math.ceil((due - Date.now()) / 1000);
		if (left <= 0) return void check();
		countdown.textContent = countdown.dataset[left === 1 ? "one" : "many"].replace("#", left);
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
