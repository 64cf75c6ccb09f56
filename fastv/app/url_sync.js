/* The address: what is chosen replaces it, another tab is a step of its own in the browser's history. Back and forward
   select the tab of that step and keep what is chosen now. */
(() => {
  const here = () => new URLSearchParams(location.search);
  let now = here(), followed = false;  // tabs and controls change while the page is being built too

  const shown = () => document.querySelector("button[role=tab][aria-selected=true]")?.dataset.tabId;
  const show = (tab) => {
    if (shown() !== tab) document.querySelector(`button[role=tab][data-tab-id="${CSS.escape(tab)}"]`)?.click();
  };
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
      // The page tells of each tab later, and of several in any order.
      if (!followed || (now.get(field) ?? first) === tab || (shown() ?? tab) !== tab) return;
      now.set(field, tab);
      history.pushState({fastv: tab}, "", address());
    },
    follow(field, first) {
      show(now.get(field) ?? first);
      addEventListener("popstate", () => {
        const tab = here().get(field) ?? first;
        now.set(field, tab);
        history.replaceState(history.state, "", address());
        show(tab);
      });
    },
  };
})
