"""What the values of an event type mean, by stems of words in many languages."""

import re
from collections.abc import Mapping
from typing import NamedTuple

from recaug.propose.words import plain, split

# Ours: stems. The first that speaks wins, so that `removefromcart` is no cart and `add_to_wishlist` no cart either.
# Stems as in words.py: `=` the whole word, from four letters on anywhere in it where the letters are not Latin or many.
MEANINGS: Mapping[str, str] = {
    "remove": """remove delete =del entfern losch loesch supprim retir elimin quitar remov rimuov togli verwijder
        usun kaldir cikar odebr torol fjern tabort eltavol =xoa удал убра 移除 删除 刪除 取消 取り消し 제거 삭제
        διαγρ حذف הסר unlike""",
    "refund": """refund return =rma ruckgabe rueckgabe retour retourn rembours devoluc reso =reso rimbors zwrot iade
        возврат 退货 退款 返品 返金 반품 환불 επιστροφ storno cancel annul""",
    "wishlist": """wishlist wish_list wunsch =wish envie souhait deseos desejos desideri verlanglijst zyczen ozelleim
        onskelist желани 心愿 願望 ほしい 위시""",
    "like": """favor favour =fav favs favo collect bookmark merk gemerkt =like likes =liked lubi gefallt jaime gusta
        curtir preferit ulubion begen избран нравит 收藏 喜欢 お気に入り いいね 찜 좋아요 αγαπημ مفضل""",
    "search": """search =suche suchen gesucht recherch busqued busca ricerc zoek szukan arama поиск 搜索 検索 검색
        αναζητ""",
    "impression": """impression shown =show exposure expos view_item_list viewitemlist anzeige показ 曝光 表示 노출
        list_view listed""",
    "checkout": """checkout begin_checkout kasse caisse caja cassa kassa odeme оформл 结算 結算 チェックアウト
        결제시작 shipping payment_info""",
    "rating": "rating =rate =rated bewert =note evalu calific valuta ocen оцен 评分 評価 평점",
    "review": "review rezension avis resena recens opinia отзыв 评论 レビュー 리뷰",
    "cart": """cart carts basket korb warenkorb panier carrito carrell carrinho winkelwagen winkelmand koszyk kosik
        kosar sepet varukorg handlekurv kurv ostoskori корзин кошик добавл 加购 加入购物车 购物车 購物車 カート かご
        장바구니 καλαθ سلة סל ตะกร้า keranjang =gio product_added added =add atc""",
    "purchase": """purchas =buy buys bought buying =order orders ordered order_completed transact transaz transac sale
        sold conversion =pay payment paid kauf gekauft bestell achat achet command compra compro comprado acquist
        ordin pedido pedir encomend objednav koop gekocht kjop kop kob zakup kupi kupno nakup koupe vasar megvasar
        rendel osto ostos satin alis siparis покуп купл купів замовл заказ оплат придб 购买 購買 購入 買い 下单 支付
        成交 注文 구매 구입 주문 결제 αγορ شراء רכיש קני ซื้อ beli =mua đat""",
    "view": """view =pv click clic clique kliknut =clk open visit =read browse detail =look seen impr_click ansicht
        ansehen angesehen aufruf anzeig gesehen klick =vue vues vu consult affich =ver visto vista visual visualiz
        visita guardar bekek bekijk =kijk weerga wyswietl obejrz podglad przegl zobraz zhled prohliz megtek megnez
        goruntu incele =bak visning vis sedd katsel nayt просмотр смотр клик открыт перегляд 浏览 瀏覽 点击 點擊 查看
        访问 閲覧 クリック 見る 조회 클릭 보기 προβολ مشاهد צפי ดู lihat =xem""",
}
PASSIVE = ("remove", "refund", "search", "impression", "checkout")  # of which no sequence is made


class Meaning(NamedTuple):
    """What a source's type is to us; sure: whether a stem says so."""

    ours: str
    sure: bool


def meaning(value: str) -> Meaning:
    """Say what a type means; one that nothing is known of keeps its name."""
    words = split(value)
    joined = "".join(words)
    for ours, pattern in _PATTERNS.items():
        if any(pattern.search(word) for word in (*words, "_".join(words), joined)):
            done = ours == "checkout" and re.search("complet|success|done|finish|abgeschl|termin", joined)
            return Meaning("purchase" if done else ours, True)
    return Meaning(re.sub(r"[^\w]+", "_", plain(value)).strip("_") or value, False)


def known(rows: Mapping[str, int]) -> float:
    """Share of the rows whose type has a meaning that is known. rows: by the type."""
    return sum(number for value, number in rows.items() if meaning(value).sure) / max(sum(rows.values()), 1)


def _pattern(stems: str) -> re.Pattern[str]:
    parts = []
    for stem in stems.split():
        if stem.startswith("="):
            parts.append(rf"^{re.escape(plain(stem[1:]))}$")
        elif not stem.isascii() or len(stem) >= 4:
            parts.append(re.escape(plain(stem)))
        else:
            parts.append(rf"^{re.escape(plain(stem))}")
    return re.compile("|".join(parts))


_PATTERNS = {ours: _pattern(stems) for ours, stems in MEANINGS.items()}
