// Where a view finds its files and keeps its choices: on the page its host and its address, in a notebook the widget.

import { createContext } from "preact";
import { useContext } from "preact/hooks";

import { change } from "./address";
import { readJson } from "./data";

export type Surroundings = {
  /** Read a JSON file of the site. */
  read: <T>(path: string) => Promise<T>;
  /** Give what an image of the site is fetched by. */
  locate: (path: string) => string;
  /** Change what is chosen. */
  change: (options: Record<string, string>) => void;
};

export const Place = createContext<Surroundings>({ read: readJson, locate: (path) => path, change });
export const usePlace = (): Surroundings => useContext(Place);
