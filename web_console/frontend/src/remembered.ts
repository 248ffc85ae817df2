// Choices this browser remembers. Storage can be switched off or full; then a choice lasts until the page is closed.
export function remembered(key: string): string | null {
  try {
    return window.localStorage.getItem(key);
  } catch {
    return null;
  }
}

export function remember(key: string, value: string): void {
  try {
    window.localStorage.setItem(key, value);
  } catch {
    // nothing to do: the choice holds for this page
  }
}
