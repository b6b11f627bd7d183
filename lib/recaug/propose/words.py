"""What shops call a column, as stems of words in the languages that shops speak."""

import re
import unicodedata
from collections.abc import Mapping
from typing import Literal

Idea = Literal[
    "user", "item", "time", "price", "quantity", "type", "session", "order", "query", "rating", "label", "group", "rank"
]

# Latin stems match from the start of a word, and anywhere in it from five letters on (compounds: Kundennummer); others
# anywhere. `=` before a stem: the whole word; `==`: the whole name.
_STEMS: Mapping[Idea, str] = {
    "user": """user customer client kunde kundin cliente klant klient kund visitor besuch visiteur visitante
        visitatore bezoeker member mitglied membre miembro membro shopper buyer kaufer kaeufer acheteur comprador
        koper kjoper household haushalt konto reviewer rater pelanggan utilis usuari utent nutzer benutzer gebruik
        uzytkown anvand brug uporabnik felhasznal zakaznik vasarlo kopare kupujac kupujici vevo asiakas kayttaja khach
        musteri kullanic uye patron consumer subscriber person anonymous profile cookie account compte cuenta ==who
        ==qui ==wer ==uid ==cid ==vid ==mid покупател клиент пользовател посетител заказчик користувач покупец 用户
        用戶 会员 會員 会員 顧客 客户 客戶 買家 买家 ユーザ お客 購入者 고객 회원 사용자 구매자 πελατ χρηστ عميل
        مستخدم زبون לקוח משתמש ลูกค้า ผู้ใช้ ग्राहक
        =cust =custid =custno =usr =usrid =kunnr""",
    "item": """item product produkt artikel article articul articol artigo produit producto produto prodott towar
        tovar sku =asin =isbn =ean =gtin =upc =plu stockcode goods =ware =waren =vare =vara tuote zbozi termek urun
        =mal =pham movie =film =book =buch listing material merchandis proizvod vyrobok cikk ==aid ==pid ==iid
        ==gid ==what =nomenclature barang товар продукт артикул номенклатур 商品 产品 產品 製品 品番 品目 物品 宝贝
        アイテム 상품 제품 품목 προϊον προιον منتج مוצר מוצר פריט สินค้า उत्पाद
        =prod =prodid =prodno =itm =itmid =artnr =matnr""",
    "time": """time date datum zeit uhr fecha hora heure =data =ora dataora tijd czas tarih zaman saat =ts ==at
        ==when =dt created occurred moment horodat tidspunkt =tid =tag =jour =dia =giorno =kiedy =quand =cuando
        =cuándo updated =cas =ido idopont datetime epoch =ngay =gian дата врем час 时间 時間 時刻 日時 日期 日付
        시간 날짜 일시 일자 =erdat =budat =fkdat =erzet ημερομ ωρα تاريخ وقت תאריך זמן วันที่ เวลา""",
    "price": """price preis prix precio preco prezz prijs =cena ceny =cen =ar =pris prisen hinta fiyat tutar betrag
        montant importe import =valor amount revenue umsatz sales =sum =total kosten coste costo =cost cost valeur
        einzelpreis bedrag belob =belopp =kwota =castka osszeg totaal paid gmv =harga =gia цена цены стоимост сумма
        ціна вартіст 价格 價格 単価 单价 單價 価格 金額 金额 售价 가격 단가 금액 τιμη سعر מחיר ราคา
        =netwr =dmbtr""",
    "quantity": """quantit qty menge anzahl stueck stuck =stk cantidad quantidad aantal hoeveelh ilosc adet miktar
        sztuk kusu pocet darab =units unidades =count pieces =pcs antal antall maara =qta =cant =qte =qtd =num
        mnozstv mennyis =db kolicin jumlah =luong количеств кол-во колво кіл =шт 数量 數量 件數 個数 件数 点数 수량
        개수 ποσοτ كمية כמות จำนวน
        =kwmeng =fkimg""",
    "type": """event action aktion aktivit =type =typ =tipo =art =kind behavio verhalten ereignis evenement evento
        eventi azion accion acao gebeurten actie zdarzen akcj udalost esemeny akce activit interact =verb =op
        operation đong hendelse handelse handling tapahtum eylem olay islem vorgang =hit событи действи акци тип
        подія дія 行为 行為 动作 動作 事件 イベント 操作 行動 種別 類型 类型 행동 이벤트 유형 ενεργει حدث פעולה
        กิจกรรม""",
    "session": """session sitzung seance sesion sessao sessione sessie sesja relace munkamenet istunto oturum =visit
        =visite =visita =bezoek =besuch =sid сесси сеанс сесія 会话 會話 セッション 세션 συνεδρ جلسة סשן""",
    "order": """order bestell auftrag commande pedido ordine ordre zamowien objednav rendeles tilaus siparis invoice
        rechnung fattur factur faktur fatura receipt =bon beleg ticket basket warenkorb korb panier carrito carrell
        winkelwagen koszyk kosik transact transakt transaz transac transak cart checkout =fis szamla kvitt boleta
        заказ счет чек корзин накладн замовл 订单 訂單 注文 单号 單號 伝票 購入番号 주문 παραγγελ طلب הזמנה
        =txn =txnid =trx =trxid =tx =inv =invno =ord =ordid =vbeln""",
    "query": """query search suche suchbegr recherch busqued =busca ricerc zoek zapytan szukan hledan keres arama
        keyword =term phrase =q запрос поиск пошук 搜索 查询 查詢 検索 关键词 キーワード 검색 αναζητ بحث חיפוש""",
    "rating": """rating overall score =stars =star bewertung =note calificac valutaz ocena hodnocen ertekel =puan
        grade =gain judg relevan =voto sterne оценк рейтинг 评分 評価 評分 평점 βαθμολ""",
    "label": """name =title titel titre titulo titolo descri bezeich beschreib omschrij nazwa opis nazev nombre =nom
        =nome benenn libell designat =isim =adi =ad caption label text body наимен назван опис имя 名称 名稱 名前 品名
        标题 説明 이름 명칭 상품명 ονομα اسم שם ชื่อ""",
    "group": """categ kategor rubri =group =gruppe =grupa =famil brand marke =marca marque country =land =pays =pais
        region =city stadt =ville ciudad =store =shop filial device browser channel kanal colour color farbe currency
        wahrung waehrung devise moneda status segment department abteil =page =lang sprache =class gender tier =zip
        postal =plz =ip agent referr =url =path platform =os campaign coupon warehouse lager supplier vendor seller
        merchant brend категор бренд страна город магазин статус 类目 類目 分类 分類 品牌 国家 カテゴリ ブランド
        카테고리""",
    "rank": """=rank =position =pos =seq sequence ==order =nr =index =step =schritt =line =zeile =row rowid row_id
        =folge =reihenfolge порядок 序号 順番 순번""",
}


BARE = {"id", "key", "no", "nr", "number", "code", "uuid", "value", "ref", "s", "pk"}  # what names nothing by itself


MARKS = "\u064b-\u065f\u0900-\u097f\u0e31-\u0e4e"  # parts of Arabic, Hindi and Thai letters, which no word ends at


def split(name: str) -> list[str]:
    """Cut a column's name into small words without accents: `userId`, `user_id` and `USER ID` are user, id."""
    base = re.sub(r":(token|token_seq|float|float_seq)$", "", name)
    apart = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", " ", base)
    return re.findall(rf"(?:[^\W_]|[{MARKS}])+(?:-[^\W_]+)*", plain(apart))


def plain(text: str) -> str:
    """Make letters small and take their accents off."""
    folded = unicodedata.normalize("NFKD", text.replace("ı", "i").replace("ł", "l").replace("Ł", "L").replace("ø", "o"))
    kept = re.sub("[\u0300-\u036f]", "", folded)
    return unicodedata.normalize("NFKC", kept).casefold()


def ideas(name: str) -> dict[Idea, float]:
    """Weigh what a name speaks of: 1 for the last word that speaks of anything, less for those before it.

    A dotted path speaks by its last part, and half as loud by the one before it.
    """
    *parents, leaf = re.split(r"\.(?=\S)", name.strip().rstrip("."))
    words = split(leaf)
    weights = _weigh(words)
    if "".join(words) in ("deviceid", "visitid", "browserid"):  # stands for whoever uses it
        weights = {"session": 1.0} if words[0].startswith("visit") else {"user": 0.9}
    if parents:  # customer.id is of the customer as customer_id is
        quiet = 0.0 if words and set(words) <= BARE else 1.0
        for idea, weight in _weigh(split(parents[-1])).items():
            weights.setdefault(idea, weight / (1 + quiet))
    return weights


def _weigh(words: list[str]) -> dict[Idea, float]:
    """Weigh the ideas of words, in their order: the last that speaks of any is what the name is about."""
    alone = len(words) == 1
    spoken = [heard for word in words if (heard := _of_word(word, alone))]
    if not spoken and len(words) > 1 and (joined := _of_word("".join(words), True)):
        spoken = [joined]
    weights: dict[Idea, float] = {}
    for back, heard in enumerate(reversed(spoken)):
        for idea in heard:
            weights.setdefault(idea, 1.0 / (1 + back))
    return weights


def _of_word(word: str, alone: bool) -> set[Idea]:
    """What a word speaks of; alone: it is the whole name."""
    return {idea for idea, pattern in _PATTERNS.items() if pattern.search(f"={word}" if alone else word)}


def _pattern(stem: str) -> str:
    """Make a stem a regular expression."""
    escaped = re.escape(plain(stem.lstrip("=")))
    if stem.startswith("="):
        return rf"^={escaped}$" if stem.startswith("==") else rf"^=?{escaped}$"
    return escaped if not stem.isascii() or len(stem) >= 5 else rf"^=?{escaped}"


_PATTERNS = {idea: re.compile("|".join(_pattern(stem) for stem in stems.split())) for idea, stems in _STEMS.items()}
