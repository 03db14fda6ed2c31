import { useEffect, useState } from "preact/hooks";

import { usePlace } from "./place";

/** Read a file that one view alone needs, when that view is first shown. */
export function useJson<T>(path: string | null): { found: T | null; failed: string } {
  const [state, setState] = useState<{ path: string | null; found: T | null; failed: string }>({ path, found: null, failed: "" });
  const { read } = usePlace();
  useEffect(() => {
    let current = true;
    if (path) {
      read<T>(path).then(
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
