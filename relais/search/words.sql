-- Text search in French, English and Arabic without accents. Every name is qualified: pg_dump restores indexes with an
-- empty search_path. No stop words: « pas de rendez-vous » is a search.
create text search dictionary public.relais_french (template = pg_catalog.snowball, language = french);
create text search dictionary public.relais_arabic (template = pg_catalog.snowball, language = arabic);
create text search configuration public.relais (copy = pg_catalog.simple);
-- Folded Latin words are ASCII and Arabic words are not, so the parser's token types tell them apart.
alter text search configuration public.relais
  alter mapping for asciiword, asciihword, hword_asciipart with public.relais_french;
alter text search configuration public.relais
  alter mapping for word, hword, hword_part with public.relais_arabic;

-- Lower case without accents, words separated by one space. Punctuation would make hosts, e-mails and negative numbers
-- of the parser. Character ranges instead of \W, whose meaning depends on the locale of the database.
create function public.relais_fold(text) returns text language plpgsql immutable parallel safe strict as $$
declare
  folded text := pg_catalog.lower(public.unaccent('public.unaccent', $1));
begin
  if folded ~ '[\u0600-\u06ff]' then
    -- No vowel marks; Arabic and Persian digits; one form of alef, ya, waw, kaf, ha; no final ha.
    folded := pg_catalog.translate(
      pg_catalog.regexp_replace(folded, '[\u0610-\u061a\u0640\u064b-\u065f\u0670\u06d6-\u06ed]+', '', 'g'),
      'أإآٱىؤئگکڤپ٠١٢٣٤٥٦٧٨٩۰۱۲۳۴۵۶۷۸۹', 'اااايويككفب01234567890123456789');
    folded := pg_catalog.regexp_replace(folded, '[\u060c\u061b\u061f\u066a-\u066d\u06d4]+', ' ', 'g');
    -- The article and what is written together with it: السيارة, والسيارة, بالسيارة, للسيارة.
    folded := pg_catalog.regexp_replace(
      folded, '(^|[^\u0621-\u064a])(?:[وفبك]?ال|وبال|ولل|لل)(?=[\u0621-\u064a]{3})', '\1', 'g');
    folded := pg_catalog.regexp_replace(folded, '[هة]($|[^\u0621-\u064a])', '\1', 'g');
  end if;
  folded := pg_catalog.btrim(pg_catalog.regexp_replace(
    pg_catalog.regexp_replace(folded, '[\u0300-\u036f\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff]+', '', 'g'),
    '[\u0001-\u002f\u003a-\u0040\u005b-\u0060\u007b-\u00bf\u00d7\u00f7\u2000-\u2bff\u2e00-\u2e7f\u3000-\u303f\uff00-\uff0f\uff1a-\uff20\U0001f000-\U0001faff]+',
    ' ', 'g'));
  -- Without their accents the stemmer does not know the feminine participles: terminée is read as terminé.
  return pg_catalog.regexp_replace(folded, '([a-z]{2})ees?( |$)', '\1e\2', 'g');
end $$;

-- The planner inlines SQL functions and then takes this one for cheap enough to be computed for every row.
create function public.relais_words(text) returns tsvector language plpgsql immutable parallel safe strict cost 5000 as
$$ begin return pg_catalog.to_tsvector('public.relais', public.relais_fold($1)); end $$;
