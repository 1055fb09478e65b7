package imports

// templates are files to fill in, by kind, with two rows as an example: the stock is of the products.
var templates = map[Kind]string{
	Products: "name,sku,barcode,category,unit,reorder_level\r\n" +
		"Perfumed rice 5 kg,RICE-5,6001234567890,Food,bag,10\r\n" +
		"Bar soap,SOAP-1,,Household,pcs,24\r\n",
	OpeningStock: "sku,barcode,quantity,unit_cost,retail_price,wholesale_price,expiry_date,supplier\r\n" +
		"RICE-5,,40,82.50,95.00,90.00,2199-12-31,Kumasi Mills\r\n" +
		"SOAP-1,,144,4.20,6.00,,,\r\n",
	Customers: "name,phone,email,address,type,credit_limit,credit_terms_days\r\n" +
		"Esi Mensah,0244000111,esi@example.com,\"Market Street 1, Accra\",RETAIL,0.00,30\r\n" +
		"Kofi's Chop Bar,+233201234567,,,WHOLESALE,\"1,500.00\",14\r\n",
}

// Template is a file to fill in, as CSV with the mark that makes Excel read it as UTF-8. A kind that does not exist has an empty one.
func Template(kind Kind) string { return "\ufeff" + templates[kind] }
