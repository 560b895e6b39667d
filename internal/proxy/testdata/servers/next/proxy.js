import { NextResponse } from "next/server";

// Its presence alone opens /_next/data/BUILD/PATH.json to every route.
export const proxy = () => NextResponse.next();
