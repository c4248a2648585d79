"""The same phrases in other languages, over text without accents; see `core.ai.guards.phrases`."""

from __future__ import annotations

import re

from core.ai.guards.phrases import Phrase, needle_groups


def _phrase(kind: str, needles: str, pattern: str, weight: float = 8) -> Phrase:
    return Phrase(kind, weight, re.compile(pattern), needle_groups(needles))


GERMAN = (
    _phrase(
        "override",
        "anweisung|instruktion|regeln|vorgaben|richtlinien",
        r"(?:ignorier\w*|vergiss|vergesst|vergessen sie|missachte\w*|umgeh\w*|uberschreib\w*"
        r"|befolge)\b[^.!?\n]{0,30}?"
        r"\b(?:vorherig|bisherig|fruher|obig|vorig|vorangegangen|dein|deine|ihre|alle)\w*\b[^.!?\n]{0,30}?"
        r"\b(?:anweisung|instruktion|regeln|vorgaben|richtlinien|system)",
    ),
    _phrase("override", "vergiss alles|vergessen sie alles", r"(?:vergiss|vergessen sie) alles,? (?:was|vorher)"),
    _phrase(
        "persona",
        "ohne einschrankung|ohne jede einschrankung|ohne filter",
        r"(?:antworte|antworten sie|sprich|handle)\b[^.!?\n]{0,40}\bohne (?:jede |alle )?(?:einschrankung"
        r"|filter|regeln)",
    ),
    _phrase(
        "prompt_leak",
        "systemprompt|system-prompt|system prompt|systemanweisung|deine anweisungen|deine regeln",
        r"(?:zeig\w*|gib|nenn\w*|verrat\w*|schreib\w*|wie lautet|was ist|was steht|druck\w*"
        r"|wiederhol\w*)\b[^.!?\n]{0,30}?"
        r"(?:system-? ?prompt|systemanweisung|deine (?:anweisungen|regeln|instruktionen))",
    ),
)
FRENCH = (
    _phrase(
        "override",
        "instructions|consignes|regles|directives",
        r"(?:ignor|oubli|neglig|contourn|desobei)\w*\b[^.!?\n]{0,20}?\b(?:tes|vos|toutes?(?: les| tes)?"
        r"|les)\b[^.!?\n]{0,12}?"
        r"(?:instructions|consignes|regles|directives)(?: (?:precedent|anterieur|ci-dessus|que|donne"
        r"|du systeme)\w*|[.!,]| et\b|$)",
    ),
    _phrase(
        "persona",
        "sans aucune restriction|sans restriction|sans filtre|sans aucune limite",
        r"(?:repond\w*|agis|parle)\b[^.!?\n]{0,30}\bsans (?:aucune? )?(?:restriction|filtre|limite|regle)",
    ),
    _phrase(
        "prompt_leak",
        "prompt|tes instructions|tes consignes",
        r"(?:affich\w*|montr\w*|revel\w*|donn\w*|imprim\w*|repet\w*|ecri\w*|quel est|quelles sont)\b[^.!?\n]{0,20}?"
        r"\b(?:ton prompt|prompt (?:du )?systeme|tes (?:instructions|consignes))",
    ),
)
SPANISH = (
    _phrase(
        "override",
        "instrucciones|reglas|ordenes|directrices",
        r"(?:ignor|olvid|omit|desobedec|descart)\w*\b[^.!?\n]{0,20}?\b(?:tus|sus|todas|las)\b[^.!?\n]{0,16}?"
        r"(?:instrucciones|reglas|ordenes|directrices)(?: (?:anterior|previa|de arriba|dada|que"
        r"|del sistema)\w*|[.!,]| y\b|$)",
    ),
    _phrase(
        "persona",
        "sin restricciones|sin filtros|sin limites",
        r"(?:actua|responde|comportate)\b[^.!?\n]{0,30}\bsin (?:ninguna )?(?:restricci|filtro|limite)",
    ),
    _phrase(
        "prompt_leak",
        "prompt|tus instrucciones",
        r"(?:cual es|cuales son|muestra|muestrame|revela|imprime|ensena|dime|dame|repite)\b[^.!?\n]{0,20}?(?:\bprompt\b"
        r"|tus instrucciones)",
    ),
)
OTHERS = (
    _phrase(
        "override",
        "istruzioni|regole|direttive",
        r"(?:ignora|dimentica|trascura)\w*\b[^.!?\n]{0,20}?\b(?:tutte|tue|le)\b[^.!?\n]{0,16}?(?:istruzioni"
        r"|regole|direttive)",
    ),
    _phrase("prompt_leak", "prompt", r"(?:mostra|mostrami|rivela|stampa)\b[^.!?\n]{0,20}?\bprompt\b"),
    _phrase(
        "override",
        "instrucoes|regras|orientacoes",
        r"(?:ignore|ignora|esqueca|esquece|desconsidere)\b[^.!?\n]{0,20}?\b(?:todas|suas|tuas|as)\b[^.!?\n]{0,16}?"
        r"(?:instrucoes|regras|orientacoes)",
    ),
    _phrase("prompt_leak", "prompt", r"(?:revele|mostre|exiba|imprima)\b[^.!?\n]{0,20}?\bprompt\b"),
    _phrase(
        "override",
        "instructies|regels|opdrachten|aanwijzingen",
        r"(?:negeer|vergeet)\b[^.!?\n]{0,20}?\b(?:alle|vorige|eerdere|je|jouw)\b[^.!?\n]{0,16}?"
        r"(?:instructies|regels|opdrachten|aanwijzingen)",
    ),
    _phrase("prompt_leak", "systeemprompt", r"(?:toon|geef|laat)\b[^.!?\n]{0,20}?systeemprompt"),
    _phrase(
        "override",
        "instrukcj|polecen|zasad",
        r"(?:z?ignoruj|zapomnij|pomin)\b[^.!?\n]{0,40}?(?:poprzedni|wczesniejsz"
        r"|wszystki)[^.!?\n]{0,30}?(?:instrukcj|polecen|zasad)",
    ),
    _phrase(
        "override",
        "инструкц|указани|правил|команд",
        r"(?:проигнорируи|игнорируи|забудь|нарушь|не следуи|не соблюдаи)\w*[^.!?\n]{0,30}?(?:предыдущ|все"
        r"|свои|твои|прежн)\w*"
        r"[^.!?\n]{0,20}?(?:инструкц|указани|правил|команд)",
    ),
    _phrase("prompt_leak", "промпт", r"(?:покажи|выведи|раскрои|напечатаи)[^.!?\n]{0,20}?промпт"),
    _phrase(
        "override",
        "talimat|kural",
        r"(?:onceki|tum|yukar[ıi]daki)[^.!?\n]{0,20}?(?:talimat|kural)\w*[^.!?\n]{0,12}?(?:yok say|unut"
        r"|gormezden|dikkate alma)",
    ),
    _phrase(
        "override",
        "指令|指示|规则|規則|提示",
        r"(?:忽略|忘记|忘記|无视|無視|忽視|不要遵守)[^。!?\n]{0,12}(?:指令|指示|规则|規則|提示)",
    ),
    _phrase("prompt_leak", "提示", r"(?:输出|显示|告诉|透露|打印|顯示)[^。!?\n]{0,12}(?:系统提示|提示词|系統提示)"),
    _phrase("override", "指示|命令|ルール|プロンプト", r"(?:指示|命令|ルール|プロンプト)[^。!?\n]{0,12}(?:無視|忘れ)"),
    _phrase("prompt_leak", "プロンプト", r"プロンプト[^。!?\n]{0,8}(?:表示|見せ|教え|出力|何|なに)"),
    _phrase(
        "override",
        "지시|명령|규칙|지침",
        r"(?:이전|모든|앞)[^.!?\n]{0,12}(?:지시|명령|규칙|지침)[^.!?\n]{0,14}(?:무시|잊어)",
    ),
    _phrase("prompt_leak", "프롬프트", r"프롬프트[^.!?\n]{0,8}(?:출력|보여|알려)"),
    _phrase("override", "التعليمات|الأوامر|القواعد", r"(?:تجاهل|انس|تجاوز)[^.!?\n]{0,16}(?:التعليمات|الأوامر|القواعد)"),
    _phrase("override", "निर्देश", r"(?:पिछले|सभी)[^.!?\n]{0,16}निर्देश[^.!?\n]{0,20}(?:अनदेखा|भूल|नज़रअंदाज़)"),
)
FOREIGN = (*GERMAN, *FRENCH, *SPANISH, *OTHERS)
