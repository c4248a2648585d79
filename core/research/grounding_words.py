"""Words with a capital that name no company, as an answer about markets has them."""

from __future__ import annotations

ACRONYMS = frozenset(
    """
    ADR ADX AI API ATR AUD AUM AWS BPS CAD CAGR CAPM CCI CEO CFO CFTC CHF CIK CNY CPI CSV CVAR DCF
    DMA EBIT EBITDA ECB EDGAR EMA EPS EST ESG ET ETF ETFS EU EUR FAQ FED FIFO FOMC FX FY GAAP GBP GDP GICS HKD
    HTTP HTTPS IFRS ID II III INR IPO IRR ISIN IT IV JPY JSON KGV LIFO LLC LLM LSE MA MACD MAX MD MDA MFI MIN MSCI
    MTD MWR NA NAV NB NASDAQ NOT NOK NSE NTM NYSE NZD OHLC OHLCV OK OTC PB PE PEG PM PS QOQ QTD RD REIT ROA ROC ROE
    ROI ROIC RSI SEC SEK SGD SMA SPAC TA TLDR TTM TWR UK URL US USA USD UTC VADER VAR VWAP WMA XBRL XIRR
    YOY YTD AND OR NO YES THE NOTE ALL TOTAL SUM CASH DATA DATE DAY NB PLN DKK DEF PLC AG SE INC CORP LTD
    """.split()
)
"""In capitals, and no symbols; where one is the symbol of an entity that figures are of, it is that."""

COMMON = frozenset(
    """
    unlike
    a about above absolute according account accounts across actual add added additional adjusted after against all
    allocation almost alone along alpha also alternative although altogether always amount amounts an analysis and
    annual annualised annualized another answer any apart approximately are area around article articles as ask
    asked asset assets assumption assumptions at available average averages avoid back balance band bands bar bars
    base based basis because before being below benchmark besides best beta better between beyond big bigger biggest
    bollinger book both bottom brier brief briefly broad broader brought but buy by calculation calculated calmar
    can cash category caution change changed changes chart check clear close closed closer closes closing combined
    common company companies compare compared comparing comparison concentrated concentration conclusion confidence
    consequently consider considering context contribution contributions contributor contributors conversely
    correlation cost costs could count country cumulative currency currencies current currently daily data date
    dates day days decline declines deepest deep depth deposit despite detail details detractor detractors did
    difference different direct direction distance diversification dividend dividends do does dollar dollars double
    down downside drawdown drawdowns drivers driver due during each earlier earliest earning earnings either
    empyrical end ending ends energy entire entry equal equity estimate euro euros even event every evidence ex
    example excess except excluding exposure extra fact factor fair fall falls fees few figure figures filing
    filings final finally financial financials first five for form forms four fraction fresh friday from full fund
    fundamentals further gain gains generally given goods gross growth had half has have having headline headlines
    health healthcare heavy hence here high higher highest historical history hit hold holding holdings horizon how
    however if important in including income index indeed indicator indicators individual industrials industry
    inflow inflows information initial instead interest interval intervals into investment investments is issue it
    item items its itself january june july just keep key kind label language largest largely largest last lastly
    late later latest lead leading least less let level levels limit line lines list long longer look looking loss
    losses lot low lower lowest mainly major make many march margin market markets materials max maximum may mean
    meaning means measure measured measures median meanwhile member members metric metrics min minimum missing model
    monday money month monthly months more moreover most move moved moves moving much my name namely names near
    nearly negative neither net nevertheless new news newest next no non none nonetheless nor not note notes nothing
    notably november now number numbers october of off often old on once one only open opened opening or order other
    others otherwise our out outflow outflows over overall own page paid part particular partly parts past pattern
    patterns peak pending per percent percentage performance period periods perhaps please point points portfolio
    portfolios position positions positive possible potential price prices previous prior probably profit profits
    purchase purchases put quantity quarter quarterly question quick quote quoted range rank rate rates rather ratio
    ratios raw reason recent recently reading real realised realized recovered recovery reference regarding relative
    remaining report reported reports request respectively rest result resulting results return returned returns
    revenue revenues right rise risk risks roughly row rows sale sales same sample saturday score screen screened
    second section sector sectors securities see seen sell sentiment separate september series session sessions set
    several share shares sharpe she short should show shown shows side signal signals similarly simple simply since
    single size small smaller smallest so some somewhat sold sortino source sources spread standard start started
    starting starts statement statements statistic statistics status step steps still stock stocks strong stronger
    strongest sub such sum summary sunday supplement symbol symbols table taken take taking target taxes technology
    term terms than that the their them then there therefore these they third this those though three through thus
    thursday time times title to today together too tool top total totals toward trade traded trades trading
    transaction transactions trend trough tuesday turning two type typical ultimately unchanged under unit units
    unless unrealised unrealized until up upper upside us use used using usually utilities valuation value valued
    values versus very volatility volume wait was wealth wednesday week weekly weeks weight weights well were what
    when where whereas whether which while who whole why wide wider wilder will wilson window with within without
    word words worst worth would wyckoff year yearly years yen yes yet yield you your yours zero aggregate annually
    answers applying assuming broken capital consumer communication communications discretionary estimated exactly
    expected frequency industrial insurance banking banks mixed monthly neutral bearish bullish bear bull discount
    premium outlook performance per recap snapshot staples takeaway takeaways tech estate observation observations
    offline online provider lexicon local nothing sp dow jones nikkei russell fahrenheit federal reserve treasury
    government european american international global asia asian europe america states united kingdom york exchange
    commission london limitation limitations caveat caveats disclaimer remark remarks explanation interpretation
    verdict verified unverified confirmed unknown undefined null nan schlusskurs kurs kurse rendite aktie aktien
    depot wert werte gewinn gewinne verlust verluste volatilität rückgang monat monate jahr jahre woche wochen tag
    tage quartal prozent prozentpunkte euro dollar märz januar februar mai juni juli oktober dezember der die das
    den dem des ein eine einer eines im in am an auf aus bei bis durch für gegen mit nach seit über um und unter von
    vom vor während wegen zu zum zur zwischen ihr ihre ihrem ihren sie es er wir ich damit dabei dazu danach dann
    insgesamt somit deshalb dagegen hier dort höchster höchste höchstes niedrigster niedrigste letzter letzte erster
    erste anteil anteile gewicht position positionen stück handelstag handelstage zeitraum durchschnitt mittel
    kosten gebühren steuern dividende dividenden zinsen umsatz ergebnis bestand barbestand kasse vergleich index
    quelle schritt handelsvolumen volumen markt börse marktwert gesamtwert veränderung beitrag beiträge tief hoch
    ende anfang beginn le la les un une des du de au aux en dans sur par pour avec sans entre depuis jusqu votre vos
    son sa ses il elle ce cette cours clôture rendement portefeuille volatilité perte gain action actions valeur
    mois année semaine jour jours prix
    """.split()
)

VERBS = frozenset(
    """
    closed closes rose rises fell falls gained gains lost loses is was has had trades traded trading stands stood
    returned returns made makes contributed contributes weighs weighed accounts accounted ended finished dropped
    drops climbed declined slipped jumped advanced opened peaked yielded yields pays paid reported posted earned
    delivered outperformed underperformed moved moves added sits reached recovered bottomed remains remained shows
    showed and at up down schloss fiel stieg liegt lag verlor gewann hat hatte ist war notiert brachte a est clôturé
    gagné perdu
    """.split()
)
"""What follows the name that a sentence begins with."""

SUFFIXES = frozenset(
    "inc corp corporation plc ag se ltd limited llc co company sa nv group holdings holding trust".split()
)
"""What a company's name may end with."""
