import { useEffect, useState } from "preact/hooks";

import { readJson } from "./data";

/** Read a file that one view alone needs, when that view is first shown. */
export function useJson<T>(path: string | null): { found: T | null; failed: string } {
  const [state, setState] = useState<{ path: string | null; found: T | null; failed: string }>({ path, found: null, failed: "" });
  useEffect(() => {
    let current = true;
    if (path) {
      readJson<T>(path).then(
        (found) => current && setState({ path, found, failed: "" }),
        (error: Error) => current && setState({ path, found: null, failed: error.message }),
      );
    }
    return () => {
      current = false;
    };
  }, [path]);
  return state.path === path ? state : { found: null, failed: "" };
}
