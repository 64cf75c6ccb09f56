/* The address: what is chosen replaces it, another tab is a step of its own in the browser's history. Back and forward
   select the tab of that step and keep what is chosen now. */
(() => {
  const here = () => new URLSearchParams(location.search);
  let now = here(), followed = false;  // tabs and controls change while the page is being built too
  let returning = null;  // the tab of a step back or forward, until the page tells that it is selected

  const address = () => `?${now}${location.hash}`;

  window.fastvAddress = {
    followed: () => { followed = true; },
    isFollowed: () => followed,
    remember(fields, query) {  // other parameters of the address, such as Gradio's own, stay
      if (!followed) return;
      for (const field of fields) now.delete(field);
      new URLSearchParams(query).forEach((value, key) => now.set(key, value));
      history.replaceState(history.state, "", address());
    },
    forget(field) {
      now.delete(field);
      history.replaceState(history.state, "", address());
    },
    select(field, tab, first) {
      if (returning !== null) {  // several steps at once: the page tells of each, later
        if (tab === returning) returning = null;
        return;
      }
      if (!followed || (now.get(field) ?? first) === tab) return;
      now.set(field, tab);
      history.pushState({fastv: tab}, "", address());
    },
    follow(field, first) {
      addEventListener("popstate", () => {
        const tab = here().get(field) ?? first;
        now.set(field, tab);
        history.replaceState(history.state, "", address());
        const button = document.querySelector(`button[role=tab][data-tab-id="${CSS.escape(tab)}"]`);
        if (!button || button.getAttribute("aria-selected") === "true") return;
        returning = tab;
        button.click();
      });
      addEventListener("click", (event) => { if (event.isTrusted) returning = null; }, true);
    },
  };
})
