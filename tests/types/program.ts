// A client of the demo as its users would write one: what it asks for and what it reads is checked against the types made of the API's document.
// Each line below "@ts-expect-error" must be refused by the compiler, or compiling fails.

import createClient from "openapi-fetch";
import type { components, paths } from "./api.js";

type Schemas = components["schemas"];
type Post = Schemas["PostsPart"];

/** False for everything but `any`. */
type IsAny<T> = 0 extends 1 & T ? true : false;
function notAny<T>(value: T, isAny: IsAny<T>): T {
  if (isAny) throw new Error("this has no type");
  return value;
}

export interface Report {
  titles: string[];
  authors: string[];
  counties: Record<string, number>;
  earliest: string | number | null;
  groups: Record<string, number>;
  walked: string[];
  found: string[];
  refused: string;
}

export async function report(baseUrl: string): Promise<Report> {
  const client = createClient<paths>({ baseUrl });

  // Filters, an order, an included reference.
  const listed = await client.GET("/api/v1/entries/posts", {
    params: {
      query: {
        "filter[category]": ["metode", "innovasjonskultur"],
        "filter[date][gte]": "2017",
        sort: ["-published_at", "title"],
        include: ["author"],
        limit: 50,
      },
    },
  });
  if (listed.error !== undefined) throw new Error(listed.error.detail);
  const titles = listed.data.data.map((post: Post) => notAny(post.title, false) ?? "");
  const authors = listed.data.data.map(nameOf).filter((name) => name !== undefined);

  // Facets, aggregates, groups; references forwards and backwards.
  const counted = await client.GET("/api/v1/entries/cases", {
    params: {
      query: {
        facet: ["municipality.county", "start_year.5"],
        "aggregate[count]": ["*"],
        "aggregate[min]": ["start_year"],
        group_by: ["solution_type"],
        limit: 0,
      },
    },
  });
  if (counted.error !== undefined) throw new Error(counted.error.detail);
  const { facets, aggregate, groups } = counted.data.meta;
  const counties: Record<string, number> = {};
  for (const value of facets?.["municipality.county"] ?? []) counties[String(value.value)] = value.count;
  const byType: Record<string, number> = {};
  for (const group of groups ?? []) byType[String(group.values["solution_type"])] = group.count;
  const needed = await client.GET("/api/v1/entries/need_areas", {
    params: { query: { "filter[referenced_by.cases.count][gte]": 1, sort: ["-referenced_by.cases.count"] } },
  });
  if (needed.error !== undefined) throw new Error(needed.error.detail);

  // Pages of one state.
  const walked: string[] = [];
  for (let cursor: string | undefined = "*"; cursor !== undefined; ) {
    const page: Schemas["PostsList"] = await readPage(client, cursor);
    walked.push(...page.data.map((post: Post) => post.slug ?? ""));
    cursor = page.meta.cursor;
  }

  // A search finds entries of all collections, which tells itself by their names.
  const found = await client.GET("/api/v1/search", { params: { query: { q: "kommune", limit: 5, distinct: "collection" } } });
  if (found.error !== undefined) throw new Error(found.error.detail);

  // What is refused is a problem with a type of its own.
  const wrong = await client.GET("/api/v1/entries/posts/{slug}", { params: { path: { slug: "no-such-post" } } });
  const refused: Schemas["Problem"]["code"] | undefined = wrong.error?.code;

  return {
    titles,
    authors,
    counties,
    earliest: notAny(aggregate?.min?.["start_year"], false) ?? null,
    groups: byType,
    walked,
    found: found.data.data.map(describe),
    refused: refused ?? "",
  };
}

async function readPage(client: ReturnType<typeof createClient<paths>>, cursor: string): Promise<Schemas["PostsList"]> {
  const { data, error } = await client.GET("/api/v1/entries/posts", {
    params: { query: { sort: ["slug"], fields: ["slug", "title"], limit: 3, cursor } },
  });
  if (error !== undefined) throw new Error(error.detail);
  return notAny(data, false);
}

/** The name of an included author. */
function nameOf(post: Post): string | undefined {
  const author = notAny(post.author, false);
  return author && "name" in author ? author.name : undefined;
}

type Hit = Schemas["SearchResult"]["data"][number];

/** One line for a hit; the compiler knows which fields it has by its collection. */
function describe(hit: Hit): string {
  switch (hit.collection) {
    case "cases":
      return `case since ${hit.start_year ?? "long ago"}`;
    case "posts":
      return `post with ${hit.tags?.length ?? 0} tags`;
    case "authors":
    case "municipalities":
      return hit.name ?? "";
    case undefined:
      return "";
    default:
      return hit.title ?? "";
  }
}

/** What the compiler must refuse. It is never called. */
export async function mistakes(): Promise<void> {
  const client = createClient<paths>();
  const path = "/api/v1/entries/posts";
  // @ts-expect-error there is no such collection
  await client.GET("/api/v1/entries/postings");
  // @ts-expect-error there is no such field to filter by
  await client.GET(path, { params: { query: { "filter[categori]": "metode" } } });
  // @ts-expect-error years are whole numbers
  await client.GET("/api/v1/entries/cases", { params: { query: { "filter[start_year]": "last year" } } });
  // @ts-expect-error there is no such field to sort by
  await client.GET(path, { params: { query: { sort: ["-publishd_at"] } } });
  // @ts-expect-error a title refers to nothing
  await client.GET(path, { params: { query: { include: ["title"] } } });
  // @ts-expect-error texts have no sum
  await client.GET(path, { params: { query: { "aggregate[sum]": ["title"] } } });
  // @ts-expect-error the page is a number
  await client.GET(path, { params: { query: { page: "two" } } });
  const { data } = await client.GET(path);
  // @ts-expect-error a post has no such field
  data?.data[0]?.headline;
  // @ts-expect-error it may be missing
  data?.data[0]?.title.length;
  // @ts-expect-error the category may be a reference, which has no title
  data?.data[0]?.category?.title;
}
