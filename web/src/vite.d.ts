import "vite/client";
